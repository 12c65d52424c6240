"""Verdicts as Great Expectations data docs: a static site, built offline and wholly derived."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from expectations.evaluate import Result, great_expectations, gx_form
from expectations.suites import Severity
from tickline.lake.records import Verdict


def build_docs(verdicts: Iterable[Verdict], folder: Path) -> Path:
    """Write a site of the verdicts into `folder/data_docs`, in place of the one there; returns its index page."""
    site = folder / "data_docs"
    shutil.rmtree(site, ignore_errors=True)
    context = _context(site)
    judged = sorted(verdicts, key=lambda verdict: verdict.key)
    for verdict in {each.suite: each for each in judged}.values():
        expectations = [gx_form(result) for result in _results(verdict)]
        context.suites.add(great_expectations().ExpectationSuite(verdict.suite, expectations=expectations))
    for verdict in judged:
        context.validation_results_store.set(_identifier(verdict), _validation(verdict))
    context.build_data_docs()
    return site / "index.html"


def _results(verdict: Verdict) -> list[Result]:
    return [Result(**{**row, "severity": Severity(row["severity"])}) for row in verdict.results]


def _name(verdict: Verdict) -> str:
    return f"{verdict.key.venue} {verdict.key.period}"


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


def _identifier(verdict: Verdict) -> Any:
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    run = RunIdentifier(_name(verdict), verdict.evaluated_at)
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(verdict.suite), run, _name(verdict))


def _validation(verdict: Verdict) -> Any:
    from great_expectations.core import ExpectationSuiteValidationResult

    results = _results(verdict)
    good = sum(result.success for result in results)
    return ExpectationSuiteValidationResult(
        success=verdict.passed,
        results=[_expectation_validation(result) for result in results],
        suite_name=verdict.suite,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": 100 * good / len(results),
        },
        meta={
            "run_id": {"run_name": _name(verdict), "run_time": verdict.evaluated_at.isoformat()},
            "validation_time": verdict.evaluated_at.isoformat(),
            "suite_hash": verdict.suite_hash,
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
