{% macro every_feed(stage, columns) %}
    {#- The rows of one stage over all feeds, each row naming its feed. -#}
    {%- for feed in ['trades', 'quotes', 'book'] %}
    select
        '{{ feed }}' as feed,
        {{ columns | join(', ') }}
    from {{ source('lake', stage ~ '_' ~ feed) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
{% endmacro %}
