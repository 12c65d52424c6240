with

final as (
    select
        partition_venue as lane_set,
        day,
        lane,
        family,
        venue,
        action,
        direction = 'buy' as is_buy,
        is_maker,
        size,
        fee,
        cast(price * size as decimal(38, 12)) as notional,
        -- above zero is money lost against the price it was decided at
        cast(
            case when direction = 'buy' then price - expected_price else expected_price - price end * size
            as decimal(38, 12)
        ) as slippage
    from {{ source('lake', 'lane_fills') }}
)

select lane_set, day, lane, family, venue, action, is_buy, is_maker, size, fee, notional, slippage
from final
