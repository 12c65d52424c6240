{% macro edge_of_closed(positions, keys) %}
    {#- The edge of a day's closed positions by some keys: all, without micro prices, without those that weigh most. -#}
    {%- set of_day = (['lane_set', 'day'] + keys) | join(', ') %}
    with

    closed as (
        select
            {{ of_day }},
            stake,
            detected,
            expected,
            realised,
            is_micro,
            row_number() over (partition by {{ of_day }} order by abs(realised) desc, opportunity_id) as place
        from {{ positions }}
        where not is_open
    ),

    variants as (
        select
            {{ of_day }},
            variant,
            stake,
            detected,
            expected,
            realised,
            case
                when variant = 'filtered' then not is_micro
                when variant = 'without_largest' then place > 1
                when variant = 'without_top' then place > {{ var('lane_outliers') }}
                else true
            end as is_kept
        from closed
        cross join (select unnest(['raw', 'filtered', 'without_largest', 'without_top']) as variant) as named
    ),

    summed as (
        select
            {{ of_day }},
            variant,
            count(*) filter (where is_kept) as trades,
            coalesce(sum(stake) filter (where is_kept), 0) as stake,
            coalesce(sum(detected) filter (where is_kept), 0) as detected,
            coalesce(sum(expected) filter (where is_kept), 0) as expected,
            coalesce(sum(realised) filter (where is_kept), 0) as realised,
            max(realised) filter (where is_kept) as best,
            min(realised) filter (where is_kept) as worst
        from variants
        group by {{ of_day }}, variant
    ),

    final as (
        select
            {{ of_day }},
            variant,
            trades,
            stake,
            detected,
            expected,
            realised,
            -- the trade that could turn it is the best of a gain and the worst of a loss
            case
                when realised > 0 then realised - best > 0
                when realised < 0 then realised - worst < 0
                else false
            end as sign_stable,
            bool_and(realised > 0) over (partition by {{ of_day }})
            or bool_and(realised < 0) over (partition by {{ of_day }}) as signs_agree
        from summed
    )

    select
        {{ of_day }},
        variant,
        trades,
        cast(stake as decimal(38, 12)) as stake,
        cast(detected as decimal(38, 12)) as detected,
        cast(expected as decimal(38, 12)) as expected,
        cast(realised as decimal(38, 12)) as realised,
        sign_stable,
        signs_agree and bool_and(sign_stable or variant <> 'raw') over (partition by {{ of_day }}) as is_conclusive
    from final
{% endmacro %}
