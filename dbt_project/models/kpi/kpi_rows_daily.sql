with

counted as (
    select
        venue,
        day,
        feed,
        instrument,
        count(*) filter (where stage = 'raw') as raw_rows,
        count(*) filter (where stage = 'clean') as clean_rows,
        count(*) filter (where stage = 'quarantined') as quarantined_rows,
        count(*) filter (where stage = 'duplicate') as duplicate_rows
    from {{ ref('stg_ticks') }}
    group by venue, day, feed, instrument
),

final as (
    select
        venue,
        day,
        feed,
        instrument,
        raw_rows,
        clean_rows,
        quarantined_rows,
        duplicate_rows,
        clean_rows / nullif(clean_rows + quarantined_rows, 0) as clean_ratio
    from counted
)

select
    venue,
    day,
    feed,
    instrument,
    raw_rows,
    clean_rows,
    quarantined_rows,
    duplicate_rows,
    clean_ratio
from final
