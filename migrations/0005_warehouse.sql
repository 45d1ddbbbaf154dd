-- The warehouse's read tables. Text that orders things is collated by bytes, the same everywhere.
create schema if not exists warehouse;

create table warehouse.products (
    sku      text collate "C" not null,
    quantity bigint not null,
    constraint products_pkey primary key (sku)
) with (fillfactor = 80);

create table warehouse.low_stock (
    sku              text collate "C" not null,
    quantity         bigint not null,
    last_notified_at timestamptz,
    constraint low_stock_pkey primary key (sku)
) with (fillfactor = 80);

grant usage on schema warehouse to callboard_service;
grant select, insert, update, delete on all tables in schema warehouse to callboard_service;
alter default privileges in schema warehouse
    grant select, insert, update, delete on tables to callboard_service;
