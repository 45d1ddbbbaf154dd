//! The finance log and everything that can happen in it. Each event stands beside its command; here
//! it costs a line in each list.

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use callboard::{DecodeError, Event, EventType, Json, Log, RawEvent, to_json};

use crate::activate_deal::DealActivated;
use crate::close_funding_account::FundingAccountClosed;
use crate::create_deal::DealCreated;
use crate::cycle_system::SystemCycled;
use crate::delete_deal::DealDeleted;
use crate::deposit_to_company::DepositedToCompany;
use crate::grant_balances::{AssetDrawn, BalancesGranted, CompanyDrawn, FundingAccountCredited};
use crate::incur_late_fee::LateFeeIncurred;
use crate::issue_product::ProductIssued;
use crate::open_funding_account::FundingAccountOpened;
use crate::record_payment::PaymentRecorded;
use crate::register_asset::AssetRegistered;
use crate::register_company::CompanyRegistered;
use crate::revalue_asset::AssetRevalued;
use crate::update_deal::DealUpdated;

/// The context, and its log.
#[derive(Debug, Clone, Copy)]
pub struct Finance;

impl Log for Finance {
    const NAME: &'static str = "finance";
    type Event = FinanceEvent;
}

/// A fact of finance.
#[derive(Debug, Clone, PartialEq)]
pub enum FinanceEvent {
    /// A company was registered.
    CompanyRegistered(CompanyRegistered),
    /// A company got money from outside.
    DepositedToCompany(DepositedToCompany),
    /// An asset was registered.
    AssetRegistered(AssetRegistered),
    /// An asset was valued anew.
    AssetRevalued(AssetRevalued),
    /// A funding account was opened.
    FundingAccountOpened(FundingAccountOpened),
    /// A funding account was closed.
    FundingAccountClosed(FundingAccountClosed),
    /// A deal was created.
    DealCreated(DealCreated),
    /// A deal got new terms.
    DealUpdated(DealUpdated),
    /// A deal was activated.
    DealActivated(DealActivated),
    /// A deal was deleted.
    DealDeleted(DealDeleted),
    /// Balances were granted.
    BalancesGranted(BalancesGranted),
    /// A grant took from an asset.
    AssetDrawn(AssetDrawn),
    /// A grant took from a company.
    CompanyDrawn(CompanyDrawn),
    /// A grant gave to a funding account.
    FundingAccountCredited(FundingAccountCredited),
    /// A calendar date began.
    SystemCycled(SystemCycled),
    /// A financial product was issued.
    ProductIssued(ProductIssued),
    /// A payment for a product came in.
    PaymentRecorded(PaymentRecorded),
    /// A product bore a late fee.
    LateFeeIncurred(LateFeeIncurred),
}

impl Event for FinanceEvent {
    const TYPES: &'static [EventType] = &[
        CompanyRegistered::TYPE,
        DepositedToCompany::TYPE,
        AssetRegistered::TYPE,
        AssetRevalued::TYPE,
        FundingAccountOpened::TYPE,
        FundingAccountClosed::TYPE,
        DealCreated::TYPE,
        DealUpdated::TYPE,
        DealActivated::TYPE,
        DealDeleted::TYPE,
        BalancesGranted::TYPE,
        AssetDrawn::TYPE,
        CompanyDrawn::TYPE,
        FundingAccountCredited::TYPE,
        SystemCycled::TYPE,
        ProductIssued::TYPE,
        PaymentRecorded::TYPE,
        LateFeeIncurred::TYPE,
        // One line per type.
    ];

    fn event_type(&self) -> EventType {
        match self {
            Self::CompanyRegistered(_) => CompanyRegistered::TYPE,
            Self::DepositedToCompany(_) => DepositedToCompany::TYPE,
            Self::AssetRegistered(_) => AssetRegistered::TYPE,
            Self::AssetRevalued(_) => AssetRevalued::TYPE,
            Self::FundingAccountOpened(_) => FundingAccountOpened::TYPE,
            Self::FundingAccountClosed(_) => FundingAccountClosed::TYPE,
            Self::DealCreated(_) => DealCreated::TYPE,
            Self::DealUpdated(_) => DealUpdated::TYPE,
            Self::DealActivated(_) => DealActivated::TYPE,
            Self::DealDeleted(_) => DealDeleted::TYPE,
            Self::BalancesGranted(_) => BalancesGranted::TYPE,
            Self::AssetDrawn(_) => AssetDrawn::TYPE,
            Self::CompanyDrawn(_) => CompanyDrawn::TYPE,
            Self::FundingAccountCredited(_) => FundingAccountCredited::TYPE,
            Self::SystemCycled(_) => SystemCycled::TYPE,
            Self::ProductIssued(_) => ProductIssued::TYPE,
            Self::PaymentRecorded(_) => PaymentRecorded::TYPE,
            Self::LateFeeIncurred(_) => LateFeeIncurred::TYPE,
        }
    }

    fn encode(&self) -> Result<Json, serde_json::Error> {
        match self {
            Self::CompanyRegistered(event) => to_json(event),
            Self::DepositedToCompany(event) => to_json(event),
            Self::AssetRegistered(event) => to_json(event),
            Self::AssetRevalued(event) => to_json(event),
            Self::FundingAccountOpened(event) => to_json(event),
            Self::FundingAccountClosed(event) => to_json(event),
            Self::DealCreated(event) => to_json(event),
            Self::DealUpdated(event) => to_json(event),
            Self::DealActivated(event) => to_json(event),
            Self::DealDeleted(event) => to_json(event),
            Self::BalancesGranted(event) => to_json(event),
            Self::AssetDrawn(event) => to_json(event),
            Self::CompanyDrawn(event) => to_json(event),
            Self::FundingAccountCredited(event) => to_json(event),
            Self::SystemCycled(event) => to_json(event),
            Self::ProductIssued(event) => to_json(event),
            Self::PaymentRecorded(event) => to_json(event),
            Self::LateFeeIncurred(event) => to_json(event),
        }
    }

    /// One arm per type and version: a new shape gets an arm, old ones are upcast in theirs.
    fn decode(raw: &RawEvent) -> Result<Self, DecodeError> {
        match (&*raw.event_type, raw.schema_version) {
            (CompanyRegistered::NAME, 1) => raw.data().map(Self::CompanyRegistered),
            (DepositedToCompany::NAME, 1) => raw.data().map(Self::DepositedToCompany),
            (AssetRegistered::NAME, 1) => raw.data().map(Self::AssetRegistered),
            (AssetRevalued::NAME, 1) => raw.data().map(Self::AssetRevalued),
            (FundingAccountOpened::NAME, 1) => raw.data().map(Self::FundingAccountOpened),
            (FundingAccountClosed::NAME, 1) => raw.data().map(Self::FundingAccountClosed),
            (DealCreated::NAME, 1) => raw.data().map(Self::DealCreated),
            (DealUpdated::NAME, 1) => raw.data().map(Self::DealUpdated),
            (DealActivated::NAME, 1) => raw.data().map(Self::DealActivated),
            (DealDeleted::NAME, 1) => raw.data().map(Self::DealDeleted),
            (BalancesGranted::NAME, 1) => raw.data().map(Self::BalancesGranted),
            (AssetDrawn::NAME, 1) => raw.data().map(Self::AssetDrawn),
            (CompanyDrawn::NAME, 1) => raw.data().map(Self::CompanyDrawn),
            (FundingAccountCredited::NAME, 1) => raw.data().map(Self::FundingAccountCredited),
            (SystemCycled::NAME, 1) => raw.data().map(Self::SystemCycled),
            (ProductIssued::NAME, 1) => raw.data().map(Self::ProductIssued),
            (PaymentRecorded::NAME, 1) => raw.data().map(Self::PaymentRecorded),
            (LateFeeIncurred::NAME, 1) => raw.data().map(Self::LateFeeIncurred),
            _ => Err(raw.unknown()),
        }
    }
}
