//! The list of all features: commands, live models, views and routes, a line each.

use crate::event::Finance;

impl callboard::Context for Finance {
    type Log = Self;

    fn router() -> callboard::Router<Self> {
        callboard::Router::new()
            .command::<crate::register_company::RegisterCompany>()
            .command::<crate::deposit_to_company::DepositToCompany>()
            .command::<crate::register_asset::RegisterAsset>()
            .command::<crate::revalue_asset::RevalueAsset>()
            .command::<crate::open_funding_account::OpenFundingAccount>()
            .command::<crate::close_funding_account::CloseFundingAccount>()
            .command::<crate::create_deal::CreateDeal>()
            .command::<crate::update_deal::UpdateDeal>()
            .command::<crate::activate_deal::ActivateDeal>()
            .command::<crate::delete_deal::DeleteDeal>()
            .command::<crate::grant_balances::GrantBalances>()
            .command::<crate::cycle_system::CycleSystem>()
            .command::<crate::issue_product::IssueProduct>()
            .command::<crate::record_payment::RecordPayment>()
            .command::<crate::incur_late_fee::IncurLateFee>()
            .model::<crate::membership::Memberships>()
    }

    fn subscribers<S: callboard::Subscribers<Self>>(to: &mut S) {
        to.projection::<crate::companies::Companies>();
        to.projection::<crate::assets::Assets>();
        to.projection::<crate::accounts::Accounts>();
        to.projection::<crate::deals::Deals>();
        to.projection::<crate::grants::Grants>();
        to.projection::<crate::memberships::Memberships>();
        to.projection::<crate::calendar::Cycles>();
        to.projection::<crate::products::Products>();
        to.process_manager::<crate::late_fees::LateFees>();
        to.cycle::<crate::cycle_system::CycleSystem>();
    }
}

impl callboard_http::HttpContext for Finance {
    fn command_routes(side: &callboard_http::CommandSide<Self>) -> axum::Router {
        axum::Router::new()
            .merge(crate::register_company::http::routes(side))
            .merge(crate::deposit_to_company::http::routes(side))
            .merge(crate::register_asset::http::routes(side))
            .merge(crate::revalue_asset::http::routes(side))
            .merge(crate::open_funding_account::http::routes(side))
            .merge(crate::close_funding_account::http::routes(side))
            .merge(crate::create_deal::http::routes(side))
            .merge(crate::update_deal::http::routes(side))
            .merge(crate::activate_deal::http::routes(side))
            .merge(crate::delete_deal::http::routes(side))
            .merge(crate::grant_balances::http::routes(side))
            .merge(crate::issue_product::http::routes(side))
            .merge(crate::record_payment::http::routes(side))
    }

    fn query_routes<V: callboard::Views>(side: &callboard_http::QuerySide<'_, V>) -> axum::Router {
        axum::Router::new()
            .merge(crate::companies::http::routes(side))
            .merge(crate::assets::http::routes(side))
            .merge(crate::accounts::http::routes(side))
            .merge(crate::deals::http::routes(side))
            .merge(crate::grants::http::routes(side))
            .merge(crate::memberships::http::routes(side))
            .merge(crate::calendar::http::routes(side))
            .merge(crate::products::http::routes(side))
    }
}
