using System.Globalization;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>One test in full: its question, how it was examined, its outcomes and its verdict.</summary>
internal sealed class TestDetails(ReportOutput output, bool everyOutcome)
{
    // A screen of outcomes of one test.
    private const int MaxOutcomes = 40;

    public void Write(TestReport report)
    {
        output.Break();
        WriteTest(report.Test);
        if (report.Model is ModelVerdict model)
        {
            WriteModel(model);
        }

        if (report.Run is MachineRun run)
        {
            WriteRun(report.Test, run);
        }

        if (report.Designs.Count > 0)
        {
            output.Write(DesignTables.Of(report));
        }

        WriteOutcomes(report);
        foreach (string note in report.Notes)
        {
            Named("note", $"[yellow]{Markup.Escape(note)}[/]", isTitled: false);
        }

        Named(
            "verdict",
            $"[{FolderTable.Color(report.Verdict)}]{Markup.Escape(Wording.Verdict(report))}[/]",
            isTitled: false
        );
    }

    private void WriteTest(LitmusTest test)
    {
        if (output.Terminal is null)
        {
            output.Facts(("test", Markup.Escape(test.Name)), ("file", Markup.Escape(test.File)));
        }
        else
        {
            output.Line($"[bold]{Markup.Escape(test.Name)}[/]  [dim]{Markup.Escape(test.File)}[/]");
        }

        if (test.Description.Length > 0)
        {
            output.Prose("description", test.Description, isDim: true);
        }

        Named("question", Markup.Escape(Wording.Question(test)), isTitled: false);
    }

    private void WriteModel(ModelVerdict model)
    {
        string time = model.Exploration.Elapsed.TotalMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
        string states = output.Number(model.Exploration.States);
        if (output.Terminal is null)
        {
            output.Facts(("model", Wording.Frequency(model)), ("states", states), ("milliseconds", time));
        }
        else
        {
            Named("model", $"[bold]{Wording.Frequency(model)}[/], {states} states in {time} ms");
        }
    }

    private void WriteRun(LitmusTest test, MachineRun run)
    {
        Named("machine", Markup.Escape(Wording.Run(run)));
        bool hasBarrier = test.Threads.Any(thread =>
            thread.Instructions.Any(instruction => instruction.Command is not null)
        );
        if (run.Mode == MachineMode.Rendezvous && hasBarrier)
        {
            Remark(run.ModeReason);
        }

        foreach (string remark in run.Remarks)
        {
            Remark(remark);
        }
    }

    private void WriteOutcomes(TestReport report)
    {
        bool isPlain = output.Terminal is null;
        Sheet sheet = new Sheet().AddColumn("outcome");
        if (report.Model is not null)
        {
            sheet.AddColumn("model");
        }

        if (report.Run is not null)
        {
            sheet.AddColumn("seen", Justify.Right);
        }

        sheet.AddColumn(isPlain ? "marks" : "");
        GradedOutcome[] shown = Shown(report.Outcomes);
        foreach (GradedOutcome graded in shown)
        {
            sheet.AddRow([
                Markup.Escape(Wording.Describe(report, graded.Outcome)),
                .. report.Model is ModelVerdict model ? [Grade(graded, model)] : Array.Empty<string>(),
                .. report.Run is MachineRun run ? [Seen(graded, run)] : Array.Empty<string>(),
                Marks(graded),
            ]);
        }

        if (report.Outcomes.Count > 0)
        {
            output.Write(sheet);
        }

        if (shown.Length < report.Outcomes.Count)
        {
            string more = Wording.Number(report.Outcomes.Count - shown.Length);
            Named("more", $"[dim]{more} more outcomes; --outcomes shows them[/]", isTitled: false);
        }
    }

    // Forbidden outcomes come first where not all can be shown, then witnesses and weak ones.
    private GradedOutcome[] Shown(IReadOnlyList<GradedOutcome> outcomes) =>
        outcomes.Count <= MaxOutcomes || everyOutcome
            ? [.. outcomes]
            :
            [
                .. outcomes
                    .OrderByDescending(graded => graded is { IsAllowed: false, Seen: > 0 })
                    .ThenByDescending(graded => graded.IsWitness)
                    .ThenByDescending(graded => graded.IsWeak)
                    .Take(MaxOutcomes),
            ];

    private static string Grade(GradedOutcome graded, ModelVerdict model) =>
        graded.IsAllowed == true ? "allowed"
        : model.IsComplete ? "[white on red]FORBIDDEN[/]"
        : "not found";

    private string Seen(GradedOutcome graded, MachineRun run) =>
        graded.Seen > 0 ? output.Number(graded.Seen.Value)
        : output.Terminal is null ? "0"
        : $"[dim]none of {Wording.Number(run.RelevantTrials)}[/]";

    private static string Marks(GradedOutcome graded)
    {
        string weak = graded.IsWeak ? "[magenta]weak[/]" : "";
        string witness = graded.IsWitness ? "[cyan]witness[/]" : "";
        return weak.Length > 0 && witness.Length > 0 ? $"{weak}, {witness}" : weak + witness;
    }

    private void Remark(string text)
    {
        string markup = $"[yellow]{Markup.Escape(text)}[/]";
        if (output.Terminal is null)
        {
            output.Facts(("remark", markup));
        }
        else
        {
            output.Line("           " + markup);
        }
    }

    // A terminal shows by its place what a line is; a file names it.
    private void Named(string name, string markup, bool isTitled = true)
    {
        if (output.Terminal is null)
        {
            output.Facts((name, markup));
        }
        else
        {
            output.Line(isTitled ? $"  {name, -8} {markup}" : "  " + markup);
        }
    }
}
