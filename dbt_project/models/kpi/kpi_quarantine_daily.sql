with

final as (
    select
        venue,
        day,
        feed,
        instrument,
        rule,
        count(*) as refused_rows
    from {{ ref('stg_ticks') }}
    where stage in ('quarantined', 'duplicate')
    group by venue, day, feed, instrument, rule
)

select venue, day, feed, instrument, rule, refused_rows
from final
