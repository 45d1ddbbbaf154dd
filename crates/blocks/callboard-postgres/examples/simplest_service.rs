//! The simplest honest service, to compare with: one transaction per command that updates a row and inserts an
//! event. No batches, no cache, no idempotency keys, no broker; as durable as its database.

#![allow(clippy::disallowed_methods, reason = "the simplest is what most people would write")]

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

const TABLES: &str = "
    create table if not exists products (sku text primary key, quantity bigint not null, version bigint not null);
    create table if not exists events (
        position bigserial primary key, sku text not null, version bigint not null, id uuid not null unique,
        type text not null, data jsonb not null, recorded_at timestamptz not null default now(),
        unique (sku, version)
    );
";

#[derive(Deserialize)]
struct Body {
    quantity: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL")?;
    let address: SocketAddr = std::env::var("COMMAND_HTTP_ADDR")?.parse()?;
    let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
    sqlx::raw_sql(TABLES).execute(&pool).await?;
    let routes = Router::new()
        .route("/warehouse/products/{sku}/increase_quantity", post(increase))
        .route("/readyz", get(async || StatusCode::OK))
        .with_state(pool);
    let listener = tokio::net::TcpListener::bind(address).await?;
    let interrupted = async {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
        terminated.recv().await;
    };
    axum::serve(listener, routes)
        .with_graceful_shutdown(interrupted)
        .await?;
    Ok(())
}

async fn increase(
    State(pool): State<PgPool>,
    Path(sku): Path<String>,
    Json(Body { quantity }): Json<Body>,
) -> Result<([(&'static str, String); 1], Json<Value>), StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    if quantity < 1 {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut transaction = pool.begin().await.map_err(failed)?;
    let update = "
        insert into products as p (sku, quantity, version) values ($1, $2, 1)
        on conflict (sku) do update set quantity = p.quantity + excluded.quantity, version = p.version + 1
        returning quantity, version";
    let (on_hand, version): (i64, i64) = sqlx::query_as(update)
        .bind(&sku)
        .bind(quantity)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    let data = json!({ "sku": sku, "quantity": quantity, "quantity_on_hand": on_hand });
    let insert = "
        insert into events (sku, version, id, type, data) values ($1, $2, $3, 'ProductQuantityIncreased', $4)
        returning position";
    let position: i64 = sqlx::query_scalar(insert)
        .bind(&sku)
        .bind(version)
        .bind(Uuid::now_v7())
        .bind(data)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    let header = [("callboard-position", format!("warehouse:{position}"))];
    Ok((header, Json(json!({ "position": position, "version": version }))))
}
