"""The command line `youai`: what each command takes; what it does lies in other modules, imported when it is called."""

import contextlib
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from youai_stack.errors import StackError

app = typer.Typer(
    name="youai",
    help="Youai 友爱: a city's two-way market of needs and services, on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
dlq_app = typer.Typer(help="Dead letters: records that a service could not read.", no_args_is_help=True)
app.add_typer(dlq_app, name="dlq")
topics_app = typer.Typer(invoke_without_command=True)
app.add_typer(topics_app, name="topics")
rules_app = typer.Typer(
    help="Rule versions: list them, make one, rehearse past bookings under one.", no_args_is_help=True
)
app.add_typer(rules_app, name="rules")
matching_app = typer.Typer(help="The decider.", no_args_is_help=True)
app.add_typer(matching_app, name="matching")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of this stack (default: .youai beside the launcher).", show_default=False),
]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LetterTopic = Annotated[str, typer.Argument(help="A dead-letter topic.")]
Place = Annotated[int, typer.Argument(min=0)]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Youai 友爱: a city's two-way market of needs and services, on one machine."""
    if debug:
        os.environ["YOUAI_DEBUG"] = "1"


@app.command()
def up(
    home: HomeOption = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything is ready.")] = False,
    stack: Annotated[
        str, typer.Option(help="`embedded`, or `containers` (needs Docker; data goes with them).")
    ] = "embedded",
    new_ports: Annotated[bool, typer.Option("--new-ports", help="Choose all ports anew.")] = False,
) -> None:
    """Start Kafka, PostgreSQL and every service, and print their addresses. Ctrl-C stops them, unless detached."""
    from youai_stack import commands

    if stack not in ("embedded", "containers"):
        raise typer.BadParameter("it is `embedded` or `containers`", param_hint="--stack")
    commands.up(_home(home), detach=detach, containers=stack == "containers", new_ports=new_ports)


@app.command()
def down(home: HomeOption = None) -> None:
    """Stop everything. The data stays."""
    from youai_stack import commands

    commands.down(_home(home))


@app.command()
def reset(
    home: HomeOption = None,
    yes: YesOption = False,
) -> None:
    """Stop everything and remove the home with all its data."""
    from youai_stack import commands

    commands.reset(_home(home), yes=yes)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, a process (matching-worker-1), kafka or postgres.")],
    home: HomeOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of each log to begin with.")] = 50,
) -> None:
    """Print the logs of a service."""
    from youai_stack import commands

    commands.logs(_home(home), service, follow=follow, lines=lines)


@app.command()
def status(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs, where, and how it is."""
    from youai_stack import commands

    commands.status(_home(home), as_json=as_json)


@app.command()
def scale(
    service: Annotated[str, typer.Argument(help="A service.")],
    number: Annotated[int, typer.Argument(min=0, metavar="N", help="How many workers it is to have.")],
    home: HomeOption = None,
) -> None:
    """Start or stop workers of a service, until there are N."""
    from youai_stack import launch

    launch.scale(_home(home), service, number)
    print(f"{service} has {number} worker{'' if number == 1 else 's'}.")


@app.command()
def token(
    org: Annotated[str, typer.Option("--org", metavar="ID", help="Id of the organization.")],
    role: Annotated[str, typer.Option("--role", help="collector, venue-staff, provider-staff, center or platform.")],
    subject: Annotated[str, typer.Option("--subject", help="Who the bearer is.")] = "somebody",
    hours: Annotated[float, typer.Option("--hours", min=0.01, max=8760, help="How long it is good for.")] = 12,
    home: HomeOption = None,
) -> None:
    """Print a signed token for trying things; no service that was told an OIDC issuer takes it."""
    from youai_stack import tokens

    place = _home(home)
    place.require()
    print(tokens.sign(place.keys, organization=org, role=role, subject=subject, hours=hours))


@topics_app.callback()
def topics(context: typer.Context, home: HomeOption = None) -> None:
    """List the topics: partitions, records, writer, key. `topics tail` follows one."""
    from youai_stack import commands_kafka

    context.obj = home
    if context.invoked_subcommand is None:
        commands_kafka.topics(_bootstrap(home))


@topics_app.command("tail")
def topics_tail(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="Name of the topic.")],
    begin: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="RFC 3339, or so long ago: 90s, 10m, 2h, 1d (default: now)."),
    ] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Events of this type alone; may be repeated.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a topic's records as JSON lines, as they come, until Ctrl-C."""
    from youai_stack import commands_kafka

    commands_kafka.tail(_bootstrap(home or context.obj), topic, begin, types or [])


@app.command()
def export(
    topic: Annotated[str, typer.Argument(help="Name of the topic.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (default: print).")] = None,
    home: HomeOption = None,
) -> None:
    """Write a topic as JSON lines (partition, offset, timestamp, key, headers, data) up to its end as it is now."""
    from youai_stack import commands_kafka

    commands_kafka.export(_bootstrap(home), topic, output)


@app.command()
def verify(
    export: Annotated[Path, typer.Argument(help="Folder with the exported topics, a file (TOPIC.jsonl) each.")],
    venue: Annotated[
        str | None,
        typer.Option("--venue", metavar="ID", help="Tell every decision on this venue's or provider's requests."),
    ] = None,
) -> None:
    """Decide an export again and say whether what was published is true (exit code 1: a lie; 2: unreadable)."""
    from youai_stack import commands

    raise typer.Exit(commands.verify(export, venue))


@dlq_app.command("list")
def dlq_list(
    home: HomeOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most letters of each topic, newest.")] = 100,
    everything: Annotated[bool, typer.Option("--all", help="Those that were retried or discarded, too.")] = False,
) -> None:
    """List the dead letters of all services that nothing was done about."""
    from youai_stack import commands_kafka

    commands_kafka.dlq_list(_bootstrap(home), limit, everything=everything)


@dlq_app.command("show")
def dlq_show(
    topic: LetterTopic,
    partition: Place,
    offset: Place,
    home: HomeOption = None,
) -> None:
    """Show one dead letter whole: where it came from, why it is here, headers, key and value."""
    from youai_stack import commands_kafka

    commands_kafka.dlq_show(_bootstrap(home), topic, partition, offset)


@dlq_app.command("retry")
def dlq_retry(
    topic: LetterTopic,
    partition: Place,
    offset: Place,
    home: HomeOption = None,
    yes: YesOption = False,
) -> None:
    """Append a dead letter's record, as received, to the topic and partition that it came from."""
    from youai_stack import commands_kafka

    commands_kafka.dlq_retry(_bootstrap(home), topic, partition, offset, yes=yes)


@dlq_app.command("discard")
def dlq_discard(
    topic: LetterTopic,
    partition: Place,
    offset: Place,
    home: HomeOption = None,
    yes: YesOption = False,
) -> None:
    """Mark a dead letter as done, with nothing done about it."""
    from youai_stack import commands_kafka

    commands_kafka.dlq_discard(_bootstrap(home), topic, partition, offset, yes=yes)


@matching_app.command("status")
def matching_status(
    home: HomeOption = None,
    once: Annotated[bool, typer.Option("--once", help="Show it once; else it goes on until Ctrl-C.")] = False,
) -> None:
    """Show, live, what the decider does: decisions a second, batches, time by stage, lag, the hottest slots."""
    from youai_stack import matching_status as status

    status.show(_home(home), once=once)


@matching_app.command("rebuild")
def matching_rebuild(home: HomeOption = None, yes: YesOption = False) -> None:
    """Forget what matching decided and decide the whole log again: the same bytes come out, and none goes out twice."""
    from youai_stack import commands_matching

    if not yes:
        typer.confirm("Matching decides nothing new until the whole log is decided again. Go on?", abort=True)
    commands_matching.rebuild(_home(home))


@rules_app.command("list")
def rules_list() -> None:
    """List the rule versions that come with this program, and the rules that each has."""
    from youai_stack import commands_rules

    commands_rules.show()


@rules_app.command("make")
def rules_make(
    name: Annotated[str, typer.Argument(help="Name of the new version, e.g. 2027-02.")],
    base: Annotated[str, typer.Option("--base", help="The version, or file, whose numbers and texts it takes over.")],
    calendar: Annotated[
        Path | None,
        typer.Option("--calendar", help="Table `date,kind,note` (off, works): days that the city decides otherwise."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (default: NAME.json).")] = None,
) -> None:
    """Make a rule version's file: a base's numbers and texts, the announced holidays, and the city's own days."""
    from youai_stack import commands_rules

    commands_rules.make(name, base, calendar, output or Path(f"{name}.json"))


@rules_app.command("rehearse")
def rules_rehearse(
    rules: Annotated[str, typer.Option("--rules", help="The version, or file, to rehearse.")],
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="Sessions opened since then, e.g. 2026-12-01.")],
    log: Annotated[
        Path | None, typer.Option("--log", help="An exported slot log (default: the running stack's).")
    ] = None,
    answers_after: Annotated[
        float, typer.Option("--answers-after", metavar="MINUTES", min=0, help="When a venue accepts that never had to.")
    ] = 60.0,
    to: Annotated[Path | None, typer.Option("--json", help="File to write everything to, as JSON.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", envvar="YOUAI_RULES_FOLDER", help="The city's own versions (default: HOME/rules)."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Replay past bookings under another rule version: which venues and towns would fare better or worse."""
    from youai_stack import commands_rules

    own = _home(home).path / "rules"
    folder = folder or (own if own.is_dir() else None)
    commands_rules.rehearse(log, None if log else _bootstrap(home), rules, since, answers_after, to, folder)


def _home(path: Path | None) -> Any:
    from youai_stack.home import Home

    return Home(path)


def _bootstrap(path: Path | None) -> str:
    """The running stack's broker; without one that of YOUAI_KAFKA. Raises StackError where there is neither."""
    named = os.environ.get("YOUAI_KAFKA")
    home = _home(path)
    if named and home.supervisor() is None:
        return named
    return str(home.require_running()["kafka"]["bootstrap"])


def _add_lazy(argv: list[str]) -> None:
    """Register what is lazy: in full when it is called, by name and a line of help otherwise."""
    called = next((word for word in argv if not word.startswith("-")), None)
    if called == "demo":
        from youai_stack.demo.command import demo

        app.command("demo")(demo)
    else:
        app.command("demo", help="Bring up a stack of its own, run a booking rush, and check every decision.")(_later)
    if called == "test":
        from youai_stack.testing import test

        app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(test)
    else:
        app.command("test", help="Run the project's tests (--fast: those without a broker).")(_later)
    if called == "prove":
        # By name: the stack imports no service, and what proves them imports two.
        app.add_typer(importlib.import_module("youai_proof.command").app, name="prove")
    else:
        app.command("prove", help="Prove matching: seeds in a simulator, mutants, faults on the real thing.")(_later)
    if called == "bench":
        app.add_typer(importlib.import_module("youai_bench.command").app, name="bench")
    else:
        app.command("bench", help="Measure the decider against its peers, on the same work.")(_later)


def _later() -> None:
    """Never called: it stands for a command that was not asked for."""


def main() -> None:
    """Run the command line: exit code 0, 1 with one clear sentence, or 2 on wrong usage."""
    try:
        _add_lazy(sys.argv[1:])
        app(prog_name="youai")
    except StackError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail("Stopped.")
    except BrokenPipeError:
        # Whoever read our output has enough (`| head`): nothing is wrong, and nothing more is to be written.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        from youai_stack import disk

        if disk.is_full(error):
            _fail(f"The disk is full: {error}. Free some space and try again.")
        _fail(f"Something went wrong: {type(error).__name__}: {error}. `youai --debug ...` shows where.")


def _fail(sentence: str) -> None:
    if os.environ.get("YOUAI_DEBUG"):
        import traceback

        traceback.print_exc()
    print(f"youai: {sentence}", file=sys.stderr)
    raise SystemExit(1)
