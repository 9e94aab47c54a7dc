"""The Library Management System, driven through its contract from outside.

Written from the contract alone: whoever keeps to it passes, whatever is inside.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import LibraryPackage

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DUNE, EMMA, WAVES = "9780441172719", "9780141439587", "9780156949606"
FINE_OF_A_DAY, MOST = Decimal("0.10"), Decimal("10.00")
CRASHES = 100  # more steps with files than one call has


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def lib(library_package: LibraryPackage) -> ModuleType:
    return library_package.library


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "json"])
def repository(request: pytest.FixtureRequest, lib: ModuleType, tmp_path: Path) -> Any:
    if request.param == "memory":
        return lib.MemoryRepository()
    return lib.JsonRepository(tmp_path / "town.json")


@pytest.fixture
def town(lib: ModuleType, repository: Any, clock: Clock) -> Any:
    """A library with Dune (one copy), Emma (two) and a magazine; Ann, Ben, and Zoe (premium)."""
    town = lib.Library(repository, clock)
    town.add(lib.Book("Dune", "Frank Herbert", DUNE))
    town.add(lib.Book("Emma", "Jane Austen", EMMA), copies=2)
    town.add(lib.Magazine("Orbit", 7))
    town.join(lib.Member("ann", "Ann"))
    town.join(lib.Member("ben", "Ben"))
    town.join(lib.PremiumMember("zoe", "Zoe"))
    return town


@pytest.fixture
def refused(lib: ModuleType, town: Any) -> Callable[..., None]:
    """A call that has to raise the contract's error, and to change nothing."""

    def check(
        error: str | type[Exception], call: Callable[..., Any], *given: Any
    ) -> None:
        kind = getattr(lib, error) if isinstance(error, str) else error
        before = everything(town)
        with pytest.raises(kind):
            call(*given)
        assert everything(town) == before

    return check


def everything(town: Any) -> Any:
    """All that a caller can see."""
    people = ("ann", "ben", "zoe")
    items = [item.identifier for item in town.search("")]
    return (
        items,
        [[vars_of(loan) for loan in town.loans(one)] for one in people],
        [town.fine(one) for one in people],
        [[repr(hold) for hold in town.queue(item)] for item in items],
        [vars_of(loan) for loan in town.overdue()],
    )


def vars_of(loan: Any) -> tuple[Any, ...]:
    return loan.loan_id, loan.member_id, loan.identifier, loan.due


def titles(items: Any) -> list[str]:
    return [item.title for item in items]


def many(lib: ModuleType, town: Any, number: int) -> list[str]:
    """Magazines, one copy of each; their identifiers."""
    issues = [lib.Magazine("Comet", issue) for issue in range(number)]
    for issue in issues:
        town.add(issue)
    return [issue.identifier for issue in issues]


# Items and members


def test_items_are_abstract_and_have_the_terms_of_the_contract(lib: ModuleType) -> None:
    with pytest.raises(TypeError):
        lib.Item("Thing", "1")
    book, magazine = lib.Book("Dune", "Frank Herbert", DUNE), lib.Magazine("Orbit", 7)
    assert isinstance(book, lib.Item)
    assert isinstance(magazine, lib.Item)
    assert (book.title, book.identifier, book.author) == ("Dune", DUNE, "Frank Herbert")
    assert (book.loan_days, book.daily_fine) == (21, Decimal("0.10"))
    assert (magazine.title, magazine.identifier) == ("Orbit", "Orbit/7")
    assert (magazine.loan_days, magazine.daily_fine) == (7, Decimal("0.05"))
    assert type(book.daily_fine) is type(magazine.daily_fine) is Decimal


@pytest.mark.parametrize("isbn", ["978-0-441-17271-9", "978 0441172719", DUNE])
def test_an_isbn_may_have_hyphens_and_spaces(lib: ModuleType, isbn: str) -> None:
    book = lib.Book("Dune", "Frank Herbert", isbn)
    assert book.isbn == book.identifier == DUNE


@pytest.mark.parametrize(
    "isbn", ["9780441172718", "978044117271", "0441172717", "", "978044117271X", None]
)
def test_a_wrong_isbn_is_an_invalid_item(lib: ModuleType, isbn: Any) -> None:
    with pytest.raises(lib.InvalidItem):
        lib.Book("Dune", "Frank Herbert", isbn)


def test_every_single_wrong_digit_of_an_isbn_is_found(lib: ModuleType) -> None:
    for place in range(13):
        wrong = str((int(DUNE[place]) + 1) % 10)
        with pytest.raises(lib.InvalidItem):
            lib.Book("Dune", "Frank Herbert", DUNE[:place] + wrong + DUNE[place + 1 :])


def test_members_have_their_limits(lib: ModuleType) -> None:
    assert lib.Member("ann", "Ann").limit == 3
    zoe = lib.PremiumMember("zoe", "Zoe")
    assert (zoe.limit, zoe.member_id, zoe.name) == (10, "zoe", "Zoe")
    assert isinstance(zoe, lib.Member)


def test_errors_are_one_family(lib: ModuleType) -> None:
    names = ("NotFound", "Unavailable", "LimitExceeded")
    more = ("Duplicate", "FineDue", "InvalidItem")
    for name in (*names, *more):
        assert issubclass(getattr(lib, name), lib.LibraryError)
    assert issubclass(lib.LibraryError, Exception)


# The catalogue


def test_search_looks_in_title_and_author_whatever_the_case(town: Any) -> None:
    assert titles(town.search("dUN")) == ["Dune"]
    assert titles(town.search("AUSTEN")) == ["Emma"]
    assert titles(town.search("nothing of the kind")) == []
    assert titles(town.search("")) == ["Dune", "Emma", "Orbit"]


def test_what_is_known_or_cannot_be_lent_is_not_added(
    lib: ModuleType, town: Any, refused: Callable[..., None]
) -> None:
    refused("Duplicate", town.add, lib.Book("Dune again", "F. Herbert", DUNE))
    refused("InvalidItem", town.add, "a text")
    for copies in (0, -1, 1.5, True):
        refused(ValueError, town.add, lib.Magazine("Comet", 1), copies)
    refused("Duplicate", town.join, lib.Member("ann", "Another Ann"))
    refused(TypeError, town.join, "ann")


def test_an_item_leaves_when_nobody_has_it_or_waits(
    town: Any, refused: Callable[..., None]
) -> None:
    loan = town.borrow("ann", DUNE)
    refused("Unavailable", town.remove, DUNE)
    town.hold("ben", DUNE)
    town.give_back(loan.loan_id)
    refused("Unavailable", town.remove, DUNE)
    town.remove(EMMA)
    assert titles(town.search("")) == ["Dune", "Orbit"]
    refused("NotFound", town.remove, EMMA)
    refused("NotFound", town.borrow, "ann", EMMA)


# Loans and fines


def test_a_loan_is_due_after_the_items_days(town: Any, clock: Clock) -> None:
    loan = town.borrow("ann", DUNE)
    assert (loan.member_id, loan.identifier) == ("ann", DUNE)
    assert loan.due == START + timedelta(days=21)
    assert loan.due.utcoffset() == timedelta(0)
    assert town.borrow("ann", "Orbit/7").due == START + timedelta(days=7)
    assert town.loans("ann")[0].loan_id == loan.loan_id


def test_the_due_date_is_in_utc_whatever_zone_the_clock_has(
    lib: ModuleType, town: Any, clock: Clock
) -> None:
    clock.now = START.astimezone(timezone(timedelta(hours=9)))
    loan = town.borrow("ann", DUNE)
    assert loan.due == START + timedelta(days=21)
    assert loan.due.utcoffset() == timedelta(0)
    clock.now = clock.now.replace(tzinfo=None)
    with pytest.raises(ValueError, match=r"."):
        town.borrow("ann", EMMA)


def test_nobody_and_nothing_unknown(town: Any, refused: Callable[..., None]) -> None:
    refused("NotFound", town.borrow, "nobody", DUNE)
    refused("NotFound", town.borrow, "ann", WAVES)
    refused("NotFound", town.hold, "ann", WAVES)
    refused("NotFound", town.hold, "nobody", DUNE)
    refused("NotFound", town.renew, "no loan")
    refused("NotFound", town.give_back, "no loan")
    refused("NotFound", town.loans, "nobody")
    refused("NotFound", town.pay, "nobody", Decimal(1))


def test_the_last_copy_is_lent_once(town: Any, refused: Callable[..., None]) -> None:
    town.borrow("ann", EMMA)
    town.borrow("ben", EMMA)
    refused("Unavailable", town.borrow, "zoe", EMMA)


@pytest.mark.parametrize(("member", "limit"), [("ann", 3), ("zoe", 10)])
def test_a_member_has_no_more_than_the_limit_at_home(
    lib: ModuleType,
    town: Any,
    refused: Callable[..., None],
    member: str,
    limit: int,
) -> None:
    *first, last = many(lib, town, limit + 1)
    loans = [town.borrow(member, identifier) for identifier in first]
    refused("LimitExceeded", town.borrow, member, last)
    town.give_back(loans[0].loan_id)
    assert town.borrow(member, last).identifier == last
    assert len({loan.loan_id for loan in (*loans, *town.loans(member))}) == limit + 1


@pytest.mark.parametrize(
    ("late", "fine"),
    [
        ({"days": -1}, "0.00"),
        ({"days": 0}, "0.00"),
        ({"seconds": 1}, "0.10"),
        ({"days": 1}, "0.10"),
        ({"days": 1, "seconds": 1}, "0.20"),
        ({"days": 3}, "0.30"),
        ({"days": 100}, "10.00"),
        ({"days": 101}, "10.00"),
        ({"days": 4000}, "10.00"),
    ],
)
def test_a_fine_for_each_day_begun_up_to_ten(
    town: Any, clock: Clock, late: dict[str, float], fine: str
) -> None:
    loan = town.borrow("ann", DUNE)
    clock.now = loan.due + timedelta(**late)
    got = town.give_back(loan.loan_id)
    assert type(got) is Decimal
    assert got == Decimal(fine) == town.fine("ann")
    assert town.loans("ann") == []


def test_fines_have_no_float_in_them(town: Any, clock: Clock) -> None:
    for _ in range(3):
        loan = town.borrow("ann", "Orbit/7")
        clock.now = loan.due + timedelta(days=2)
        town.pay("ann", town.give_back(loan.loan_id))
    loan = town.borrow("ann", "Orbit/7")
    clock.now = loan.due + timedelta(days=3)
    assert str(town.give_back(loan.loan_id)) == "0.15"


def test_who_owes_borrows_nothing_until_all_is_paid(
    town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    loan = town.borrow("ann", DUNE)
    clock.now = loan.due + timedelta(days=5)
    assert town.give_back(loan.loan_id) == Decimal("0.50")
    refused("FineDue", town.borrow, "ann", EMMA)
    assert town.pay("ann", Decimal("0.30")) == Decimal("0.20")
    refused("FineDue", town.borrow, "ann", EMMA)
    for amount in (
        Decimal("0.21"),
        Decimal(0),
        Decimal("-0.10"),
        Decimal("0.105"),
        0.1,
    ):
        refused(ValueError, town.pay, "ann", amount)
    refused(ValueError, town.pay, "ann", Decimal("NaN"))
    assert town.pay("ann", Decimal("0.20")) == 0
    assert town.borrow("ann", EMMA).identifier == EMMA


def test_errors_come_in_the_contracts_order(
    lib: ModuleType, town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    first, second, third = many(lib, town, 3)
    loans = [town.borrow("ann", one) for one in (first, second, third)]
    town.borrow("ben", DUNE)
    refused("LimitExceeded", town.borrow, "ann", DUNE)
    clock.now = loans[0].due + timedelta(days=1)
    town.give_back(loans[0].loan_id)
    town.hold("ann", DUNE)
    refused("FineDue", town.borrow, "ann", DUNE)
    refused("NotFound", town.borrow, "ann", WAVES)


def test_a_loan_is_renewed_once_from_its_due_date(
    town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    loan = town.borrow("ann", DUNE)
    clock.go_on(days=20)
    renewed = town.renew(loan.loan_id)
    assert renewed.due == loan.due + timedelta(days=21)
    assert (renewed.loan_id, renewed.identifier) == (loan.loan_id, DUNE)
    assert [one.due for one in town.loans("ann")] == [renewed.due]
    refused("LimitExceeded", town.renew, loan.loan_id)


def test_a_loan_is_not_renewed_when_it_is_overdue_or_somebody_waits(
    town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    loan = town.borrow("ann", DUNE)
    other = town.borrow("ben", "Orbit/7")
    town.hold("zoe", DUNE)
    refused("Unavailable", town.renew, loan.loan_id)
    clock.now = other.due + timedelta(seconds=1)
    refused("Unavailable", town.renew, other.loan_id)


def test_overdue_loans_the_longest_first(town: Any, clock: Clock) -> None:
    book = town.borrow("ann", DUNE)
    magazine = town.borrow("ben", "Orbit/7")
    clock.now = magazine.due
    assert town.overdue() == []
    clock.go_on(seconds=1)
    assert [loan.loan_id for loan in town.overdue()] == [magazine.loan_id]
    clock.now = book.due + timedelta(days=1)
    overdue = [loan.loan_id for loan in town.overdue()]
    assert overdue == [magazine.loan_id, book.loan_id]


# Holds


def test_holds_are_served_first_come_first_served(
    town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    loan = town.borrow("ann", DUNE)
    town.hold("ben", DUNE)
    town.hold("zoe", DUNE)
    refused("Duplicate", town.hold, "ben", DUNE)
    refused("Duplicate", town.hold, "ann", DUNE)
    town.give_back(loan.loan_id)
    refused("Unavailable", town.borrow, "zoe", DUNE)
    refused("Unavailable", town.borrow, "ann", DUNE)
    second = town.borrow("ben", DUNE)
    town.give_back(second.loan_id)
    refused("Unavailable", town.borrow, "ben", DUNE)
    assert town.borrow("zoe", DUNE).member_id == "zoe"


def test_a_reservation_lasts_three_days_and_passes_on_unasked(
    town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    loan = town.borrow("ann", DUNE)
    town.hold("ben", DUNE)
    town.hold("zoe", DUNE)
    town.give_back(loan.loan_id)
    clock.go_on(days=3, seconds=-1)
    refused("Unavailable", town.borrow, "zoe", DUNE)
    clock.go_on(seconds=1)
    refused("Unavailable", town.borrow, "ben", DUNE)
    clock.go_on(days=3, seconds=-1)
    refused("Unavailable", town.borrow, "ann", DUNE)
    clock.go_on(seconds=1)
    assert town.borrow("ann", DUNE).member_id == "ann"


def test_a_hold_on_a_free_copy_keeps_it(
    town: Any, clock: Clock, refused: Callable[..., None]
) -> None:
    town.hold("ben", DUNE)
    refused("Unavailable", town.borrow, "ann", DUNE)
    clock.go_on(days=3)
    assert town.borrow("ann", DUNE).member_id == "ann"


def test_as_many_are_served_as_there_are_copies(
    town: Any, refused: Callable[..., None]
) -> None:
    loans = [town.borrow("ann", EMMA), town.borrow("ben", EMMA)]
    town.hold("zoe", EMMA)
    town.give_back(loans[0].loan_id)
    refused("Unavailable", town.borrow, "ann", EMMA)
    town.give_back(loans[1].loan_id)
    assert town.borrow("ann", EMMA).member_id == "ann"
    assert town.borrow("zoe", EMMA).member_id == "zoe"
    assert list(town.queue(EMMA)) == []


# What is handed out, and what is handed in


def test_collections_that_are_returned_are_copies(town: Any) -> None:
    town.borrow("ann", DUNE)
    town.hold("ben", DUNE)
    before = everything(town)
    for collection in (
        town.search(""),
        town.loans("ann"),
        town.overdue(),
        town.queue(DUNE),
    ):
        collection.clear()
    assert everything(town) == before


def test_an_unseen_kind_of_item_works_everywhere(
    lib: ModuleType, repository: Any, clock: Clock
) -> None:
    class Telescope(lib.Item):  # type: ignore[misc, name-defined]
        loan_days = 2
        daily_fine = Decimal("0.333")

        def __init__(self, title: str, mirror: Decimal) -> None:
            self.title, self.mirror = title, mirror
            self.identifier = f"telescope-{mirror}"

    town = lib.Library(repository, clock)
    town.join(lib.Member("ann", "Ann"))
    town.add(Telescope("Newton", Decimal("0.20")))
    loan = town.borrow("ann", "telescope-0.20")
    again = lib.Library(repository, clock)
    (found,) = again.search("newton")
    assert type(found) is Telescope
    assert found.mirror == Decimal("0.20")
    assert again.loans("ann")[0].due == loan.due == START + timedelta(days=2)
    clock.now = loan.due + timedelta(days=2)
    assert again.give_back(loan.loan_id) == Decimal("0.67")


# Keeping it


def test_a_new_library_goes_on_where_the_last_one_was(
    lib: ModuleType, town: Any, repository: Any, clock: Clock
) -> None:
    loan = town.borrow("ann", DUNE)
    town.hold("ben", DUNE)
    late = town.borrow("zoe", "Orbit/7")
    clock.now = late.due + timedelta(days=2)
    town.give_back(late.loan_id)
    again = lib.Library(repository, clock)
    assert everything(again) == everything(town)
    assert again.fine("zoe") == Decimal("0.10")
    assert again.borrow("ben", EMMA).loan_id not in {loan.loan_id, late.loan_id}
    assert isinstance(again.search("dune")[0], lib.Book)


def test_a_state_is_plain_json_data(
    lib: ModuleType, town: Any, repository: Any, clock: Clock
) -> None:
    town.borrow("ann", DUNE)
    state = repository.load()
    assert json.loads(json.dumps(state)) == state
    assert lib.MemoryRepository().load() is None


def test_when_saving_fails_nothing_has_changed(
    lib: ModuleType, clock: Clock, town: Any, repository: Any
) -> None:
    class Full:
        full = False

        def load(self) -> Any:
            return repository.load()

        def save(self, state: Any) -> None:
            if self.full:
                raise OSError("no space left on device")
            repository.save(state)

    full = Full()
    town = lib.Library(full, clock)
    loan = town.borrow("ann", DUNE)
    before = everything(town)
    full.full = True
    for call, given in (
        (town.borrow, ("ben", EMMA)),
        (town.give_back, (loan.loan_id,)),
        (town.renew, (loan.loan_id,)),
        (town.hold, ("ben", DUNE)),
        (town.add, (lib.Magazine("Comet", 1),)),
        (town.remove, (EMMA,)),
        (town.join, (lib.Member("cat", "Cat"),)),
    ):
        with pytest.raises(OSError, match="no space"):
            call(*given)
        assert everything(town) == before
    full.full = False
    assert town.borrow("ben", EMMA).member_id == "ben"


CRASHING = """
import os, sys
from datetime import datetime, UTC
from library import JsonRepository, Library, Magazine
STEPS = {"open", "write", "writelines", "flush", "fsync", "close", "replace", "rename",
         "truncate", "ftruncate", "unlink", "remove", "sendfile", "copyfile", "__exit__"}
town = Library(JsonRepository(sys.argv[1]), lambda: datetime(2026, 3, 2, tzinfo=UTC))
left = int(sys.argv[2])
def crash(frame, event, function):
    global left
    if event in ("c_call", "c_return") and function.__name__ in STEPS:
        left -= 1
        if left < 0:
            os._exit(9)
sys.setprofile(crash)
town.add(Magazine("Comet", 1))
os._exit(0)
"""


def test_a_crash_between_any_two_steps_leaves_the_old_state_or_the_new(
    library_package: LibraryPackage, clock: Clock, tmp_path: Path
) -> None:
    lib, path = library_package.library, tmp_path / "crash.json"
    lib.Library(lib.JsonRepository(path), clock).add(lib.Magazine("Orbit", 7))
    seen = set()
    for step in range(CRASHES):
        before = path.read_bytes()
        done = library_package.run("-c", CRASHING, str(path), str(step))
        assert done.returncode in (0, 9), done.stderr
        town = lib.Library(lib.JsonRepository(path), clock)
        seen.add(found := tuple(titles(town.search(""))))
        assert found in {("Orbit",), ("Orbit", "Comet")}
        if done.returncode == 0:
            break
        path.write_bytes(before)
    assert done.returncode == 0, "the call never got through"
    assert step > 1, "no step was met: the state is not written to a file"
    assert ("Orbit", "Comet") in seen


def test_a_file_that_is_no_state_is_an_error_and_stays_as_it_is(
    lib: ModuleType, clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"half')
    with pytest.raises(Exception, match=r"."):
        lib.Library(lib.JsonRepository(path), clock)
    assert path.read_text() == '{"half'


@pytest.fixture
def hasty() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_of_twenty_threads_after_one_copy_one_succeeds(
    lib: ModuleType, repository: Any, clock: Clock
) -> None:
    town = lib.Library(repository, clock)
    town.add(lib.Book("Dune", "Frank Herbert", DUNE))
    for number in range(20):
        town.join(lib.Member(f"m{number}", "Somebody"))
    begin = threading.Barrier(20)
    ended: list[str] = []

    def borrow(number: int) -> None:
        begin.wait()
        try:
            town.borrow(f"m{number}", DUNE)
            ended.append("lent")
        except lib.Unavailable:
            ended.append("unavailable")

    threads = [threading.Thread(target=borrow, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["lent", *["unavailable"] * 19]
    assert sum(len(town.loans(f"m{n}")) for n in range(20)) == 1


# The folder


def test_the_project_stands_on_its_own(library_package: LibraryPackage) -> None:
    folder = library_package.folder
    assert {"README.md", "pyproject.toml", "library", "tests"} <= {
        path.name for path in folder.iterdir()
    }
    done = library_package.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout[-2000:]
    assert " passed" in done.stdout
