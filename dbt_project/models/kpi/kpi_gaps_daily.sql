with

final as (
    select
        venue,
        day,
        feed,
        instrument,
        kind,
        count(*) as gaps,
        cast(coalesce(sum(missing), 0) as bigint) as missing_rows,
        sum(minutes) as gap_minutes
    from {{ ref('stg_gaps') }}
    group by venue, day, feed, instrument, kind
)

select venue, day, feed, instrument, kind, gaps, missing_rows, gap_minutes
from final
