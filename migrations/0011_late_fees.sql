-- The calendar of cycles, and financial products with what is outstanding.
create table finance.calendar (
    new_date      date not null,
    previous_date date,
    cycled_at     timestamptz not null,
    constraint calendar_pkey primary key (new_date)
);

create table finance.products (
    product             uuid not null,
    amount              numeric(18, 4) not null,
    fees                numeric(18, 4) not null,
    paid                numeric(18, 4) not null,
    outstanding         numeric(18, 4) not null,
    due_date            date not null,
    daily_late_fee_rate numeric(9, 8) not null,
    payer_role          text collate "C" not null,
    companies           jsonb not null,
    asset               uuid,
    deal                uuid,
    last_late_fee_date  date,
    issued_at           timestamptz not null,
    constraint products_pkey primary key (product)
) with (fillfactor = 80);
create index products_asset_idx on finance.products (asset, product);
create index products_deal_idx on finance.products (deal, product);
