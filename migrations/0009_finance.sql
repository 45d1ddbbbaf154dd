-- Finance's read tables. Amounts are exact: 14 digits before the point, 4 after it.
create schema if not exists finance;

create table finance.companies (
    company uuid not null,
    name    text collate "C" not null,
    balance numeric(18, 4) not null,
    constraint companies_pkey primary key (company)
) with (fillfactor = 80);

create table finance.assets (
    asset    uuid not null,
    sender   uuid not null,
    receiver uuid not null,
    value    numeric(18, 4) not null,
    balance  numeric(18, 4) not null,
    constraint assets_pkey primary key (asset)
) with (fillfactor = 80);
create index assets_sender_idx on finance.assets (sender, asset);
create index assets_receiver_idx on finance.assets (receiver, asset);

create table finance.accounts (
    account uuid not null,
    company uuid not null,
    status  text collate "C" not null,
    balance numeric(18, 4) not null,
    constraint accounts_pkey primary key (account)
) with (fillfactor = 80);
create index accounts_company_idx on finance.accounts (company, account);

create table finance.deals (
    deal         uuid not null,
    product_line smallint not null,
    companies    uuid[] not null,
    rating_tier  text collate "C" not null,
    status       text collate "C" not null,
    constraint deals_pkey primary key (deal)
) with (fillfactor = 80);

-- Amounts inside are strings, as in the events.
create table finance.grants (
    "grant"    uuid not null,
    total      numeric(18, 4) not null,
    draws      jsonb not null,
    credits    jsonb not null,
    granted_at timestamptz not null,
    constraint grants_pkey primary key ("grant")
);

create table finance.memberships (
    company     uuid not null,
    deal        uuid not null,
    rating_tier text collate "C" not null,
    activated   boolean not null,
    constraint memberships_pkey primary key (company)
) with (fillfactor = 80);

grant usage on schema finance to callboard_service;
grant select, insert, update, delete on all tables in schema finance to callboard_service;
alter default privileges in schema finance
    grant select, insert, update, delete on tables to callboard_service;
