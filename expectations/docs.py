"""Outcomes as Great Expectations data docs: a static site, built offline and wholly derived."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from expectations.evaluate import Outcome, Result, great_expectations, gx_form
from tickline.lake.keys import PartitionKey


def build_docs(outcomes: Mapping[PartitionKey, Outcome], folder: Path, *, evaluated_at: datetime) -> Path:
    """Write a site of the outcomes into `folder/data_docs`, replacing the one that was there; returns its index page.

    `evaluated_at` (UTC) is the time the pages carry.
    """
    site = folder / "data_docs"
    shutil.rmtree(site, ignore_errors=True)
    context = _context(site)
    for outcome in {each.suite: each for each in outcomes.values()}.values():
        expectations = [gx_form(result) for result in outcome.results]
        context.suites.add(great_expectations().ExpectationSuite(outcome.suite, expectations=expectations))
    for key, outcome in sorted(outcomes.items()):
        name = " ".join(part for part in (key.venue, key.period) if part)
        context.validation_results_store.set(
            _identifier(outcome.suite, name, evaluated_at), _validation(outcome, name, evaluated_at)
        )
    context.build_data_docs()
    return site / "index.html"


def _context(site: Path) -> Any:
    """A context that keeps nothing but the site."""
    context = great_expectations().get_context(mode="ephemeral")
    for default in list(context.variables.data_docs_sites):
        context.delete_data_docs_site(default)
    context.add_data_docs_site(
        "tickline",
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site.resolve())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    return context


def _identifier(suite: str, name: str, evaluated_at: datetime) -> Any:
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    return ValidationResultIdentifier(ExpectationSuiteIdentifier(suite), RunIdentifier(name, evaluated_at), name)


def _validation(outcome: Outcome, name: str, evaluated_at: datetime) -> Any:
    from great_expectations.core import ExpectationSuiteValidationResult

    good = sum(result.success for result in outcome.results)
    return ExpectationSuiteValidationResult(
        success=outcome.passed,
        results=[_expectation_validation(result) for result in outcome.results],
        suite_name=outcome.suite,
        statistics={
            "evaluated_expectations": len(outcome.results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(outcome.results) - good,
            "success_percent": 100 * good / len(outcome.results),
        },
        meta={
            "run_id": {"run_name": name, "run_time": evaluated_at.isoformat()},
            "validation_time": evaluated_at.isoformat(),
            "suite_hash": outcome.suite_hash,
        },
    )


def _expectation_validation(result: Result) -> Any:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    return ExpectationValidationResult(
        success=result.success,
        expectation_config=ExpectationConfiguration(**gx_form(result)),
        result={
            "observed_value": result.detail or result.observed,
            "details": {"unexpected": result.unexpected, "examples": result.examples},
        },
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )
