{% set columns = ['venue', 'day', 'instrument', 'ts_event', 'ts_recv'] %}

with

raw as (
    {{ every_feed('raw', columns) }}
),

clean as (
    {{ every_feed('clean', columns) }}
),

quarantine as (
    {{ every_feed('quarantine', columns + ['rule']) }}
),

staged as (
    select venue, day, feed, 'raw' as stage, cast(null as varchar) as rule, instrument, ts_event, ts_recv
    from raw
    union all
    select venue, day, feed, 'clean' as stage, cast(null as varchar) as rule, instrument, ts_event, ts_recv
    from clean
    union all
    select
        venue,
        day,
        feed,
        case when rule = 'duplicate' then 'duplicate' else 'quarantined' end as stage,
        rule,
        instrument,
        ts_event,
        ts_recv
    from quarantine
),

final as (
    select
        venue,
        day,
        feed,
        stage,
        rule,
        -- a refused row need not say what it is about
        coalesce(instrument, '') as instrument,
        ts_event,
        ts_recv
    from staged
)

select venue, day, feed, stage, rule, instrument, ts_event, ts_recv
from final
