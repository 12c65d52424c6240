with

delays as (
    select
        venue,
        day,
        feed,
        instrument,
        epoch_us(ts_recv) - epoch_us(ts_event) as delay_us
    from {{ ref('stg_ticks') }}
    where stage = 'clean' and ts_recv is not null
),

measured as (
    select
        venue,
        day,
        feed,
        instrument,
        count(*) as timed_rows,
        -- one list, so that the delays are gathered and ordered once
        quantile_disc(delay_us, [0, 0.5, 0.95, 0.99, 1]) as delays_us
    from delays
    group by venue, day, feed, instrument
),

final as (
    select
        venue,
        day,
        feed,
        instrument,
        timed_rows,
        delays_us[1] / 1e3 as min_ms,
        delays_us[2] / 1e3 as p50_ms,
        delays_us[3] / 1e3 as p95_ms,
        delays_us[4] / 1e3 as p99_ms,
        delays_us[5] / 1e3 as max_ms
    from measured
)

select venue, day, feed, instrument, timed_rows, min_ms, p50_ms, p95_ms, p99_ms, max_ms
from final
