with

expected as (
    select
        venue,
        day,
        instrument,
        cast(sum(minutes) as bigint) as session_minutes
    from {{ ref('stg_sessions') }}
    where segment = 'regular'
    group by venue, day, instrument
),

observed as (
    select
        venue,
        day,
        instrument,
        count(distinct ts_open) as bar_minutes
    from {{ ref('stg_bars') }}
    where segment = 'regular'
    group by venue, day, instrument
),

-- a session without a single bar counts too: its coverage is zero
final as (
    select
        expected.venue,
        expected.day,
        expected.instrument,
        expected.session_minutes,
        coalesce(observed.bar_minutes, 0) as bar_minutes,
        coalesce(observed.bar_minutes, 0) / expected.session_minutes as coverage
    from expected
    left join observed
        on
            expected.venue = observed.venue
            and expected.day = observed.day
            and expected.instrument = observed.instrument
)

select venue, day, instrument, session_minutes, bar_minutes, coverage
from final
