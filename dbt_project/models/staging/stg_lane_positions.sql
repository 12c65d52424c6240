with

final as (
    select
        venue as lane_set,
        day,
        opportunity_id,
        lane,
        family,
        event,
        ts_open,
        -- a position that was open at midnight is in the next day's rows again
        cast(make_timestamp(epoch_us(ts_open)) as date) = day as is_opened,
        status = 'open' as is_open,
        status,
        -- what is not known to be no micro price is one
        coalesce(is_micro, true) as is_micro,
        size,
        filled,
        stake,
        detected,
        expected,
        realised,
        fees,
        slippage
    from {{ source('lake', 'lane_positions') }}
)

select
    lane_set,
    day,
    opportunity_id,
    lane,
    family,
    event,
    ts_open,
    is_opened,
    is_open,
    status,
    is_micro,
    size,
    filled,
    stake,
    detected,
    expected,
    realised,
    fees,
    slippage
from final
