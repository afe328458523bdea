using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Bench;

/// <summary>What leaving labels of a design out does to a test.</summary>
internal enum AblationEffect
{
    /// <summary>The test executes nothing of what was left out.</summary>
    NotExecuted,

    /// <summary>
    /// Not explored: of a pair, one label alone breaks the test already, or the test executes nothing of it.
    /// </summary>
    NotAsked,

    /// <summary>The test's outcome stays impossible; everything was explored.</summary>
    Holds,

    /// <summary>It was not found, but something was not explored.</summary>
    NotFound,

    /// <summary>The outcome that was impossible can happen.</summary>
    Breaks,

    /// <summary>No execution terminates any more.</summary>
    NeverEnds,
}

/// <summary>One test without some labels.</summary>
/// <param name="Effect">What that does.</param>
/// <param name="Steps">Steps of the shortest trace to an outcome that should be impossible; 0 when there is
/// none.</param>
/// <param name="Outcome">That outcome, in words.</param>
internal sealed record AblationCell(AblationEffect Effect, int Steps = 0, string Outcome = "");

/// <summary>Labels that were left out together, against all tests.</summary>
/// <param name="Labels">The labels.</param>
/// <param name="Cells">One for each test of the report.</param>
internal sealed record AblationRow(IReadOnlyList<KernelLabel> Labels, IReadOnlyList<AblationCell> Cells)
{
    /// <summary>Their names.</summary>
    public string Name => string.Join(" + ", Labels.Select(label => label.Name));

    /// <summary>Whether some test breaks, or never ends.</summary>
    public bool Breaks => Cells.Any(cell => cell.Effect is AblationEffect.Breaks or AblationEffect.NeverEnds);

    /// <summary>Whether some exploration was cut off, so that the absence of an outcome means little.</summary>
    public bool IsBounded => Cells.Any(cell => cell.Effect == AblationEffect.NotFound);

    /// <summary>Whether some test executes what was left out.</summary>
    public bool IsExecuted =>
        Cells.Any(cell => cell.Effect is not (AblationEffect.NotExecuted or AblationEffect.NotAsked));

    /// <summary>Gets the index of the test with the shortest counterexample; -1 when nothing breaks.</summary>
    public int Shortest =>
        Cells
            .Index()
            .Where(entry => entry.Item.Effect == AblationEffect.Breaks)
            .OrderBy(entry => entry.Item.Steps)
            .Select(entry => entry.Index)
            .FirstOrDefault(-1);
}

/// <summary>A design without each of its labels in turn, against tests whose outcome it makes impossible.</summary>
/// <param name="Design">The design.</param>
/// <param name="Core">The kind of core.</param>
/// <param name="Tests">The tests that can tell: the design makes their outcome impossible, and all of it was
/// explored.</param>
/// <param name="LeftOut">The other tests, and why they tell nothing.</param>
/// <param name="Rows">One for each label, in the order of the design; then those that were asked for together.</param>
internal sealed record AblationReport(
    KernelDesign Design,
    CoreKind Core,
    IReadOnlyList<LitmusTest> Tests,
    IReadOnlyList<(LitmusTest Test, string Reason)> LeftOut,
    IReadOnlyList<AblationRow> Rows
);

/// <summary>
/// Removes labeled barriers, serializations and restarts of a design and asks tests what that breaks. What breaks
/// nothing is not shown to be superfluous: other tests, or a core with weaker memory, may need it.
/// </summary>
/// <param name="core">The kind of core.</param>
/// <param name="options">How to explore.</param>
/// <param name="progress">Receives progress reports of long explorations.</param>
internal sealed class Ablation(
    CoreKind core,
    ExplorationOptions options,
    IProgress<ExplorationProgress>? progress = null
)
{
    /// <summary>Removes each label alone.</summary>
    /// <param name="design">The design.</param>
    /// <param name="tests">The tests.</param>
    /// <param name="together">Sets of labels to remove together as well.</param>
    /// <param name="pairs">Whether to remove all pairs as well; those are reported that break a test which neither
    /// label breaks alone.</param>
    /// <param name="cancellation">Cancels it.</param>
    /// <exception cref="LitmusException">A test cannot be explored.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public AblationReport Run(
        KernelDesign design,
        IReadOnlyList<LitmusTest> tests,
        IReadOnlyList<IReadOnlyList<KernelLabel>> together,
        bool pairs,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(design);
        ArgumentNullException.ThrowIfNull(tests);
        ArgumentNullException.ThrowIfNull(together);
        var subjects = new List<Subject>();
        var leftOut = new List<(LitmusTest, string)>();
        foreach (LitmusTest test in tests)
        {
            cancellation.ThrowIfCancellationRequested();
            if (WhyItTellsNothing(test, design, cancellation) is string reason)
            {
                leftOut.Add((test, reason));
            }
            else
            {
                subjects.Add(new Subject(test, Executed(test, design)));
            }
        }

        List<AblationRow> rows =
        [
            .. design
                .Labels.Where(label => !design.RemovedLabels.Contains(label.Name))
                .Select(label => Remove(design, [label], subjects, cancellation)),
        ];
        List<AblationRow> singles = [.. rows];
        rows.AddRange(together.Select(labels => Remove(design, labels, subjects, cancellation)));
        for (int first = 0; pairs && first < singles.Count; first++)
        {
            for (int second = first + 1; second < singles.Count; second++)
            {
                // A test that breaks without one of them, or executes only one, has nothing to say of both.
                bool Tells(int test) =>
                    singles[first].Cells[test].Effect is AblationEffect.Holds or AblationEffect.NotFound
                    && singles[second].Cells[test].Effect is AblationEffect.Holds or AblationEffect.NotFound;
                AblationRow pair = Remove(
                    design,
                    [singles[first].Labels[0], singles[second].Labels[0]],
                    subjects,
                    cancellation,
                    Tells
                );
                if (pair.Breaks)
                {
                    rows.Add(pair);
                }
            }
        }

        return new AblationReport(design, core, [.. subjects.Select(subject => subject.Test)], leftOut, rows);
    }

    private sealed record Subject(LitmusTest Test, IReadOnlyList<(MicroOpKind, Operand, Operand)> Executed);

    private string? WhyItTellsNothing(LitmusTest test, KernelDesign design, CancellationToken cancellation)
    {
        if (test.Properties.ContainsKey("Remove"))
        {
            return "leaves labels out by itself";
        }

        if (!ModelVerdict.CanExecute(core, test))
        {
            return $"is written in {test.Architecture}, which these cores do not execute";
        }

        IEnumerable<ITestInstruction> instructions = test.Threads.SelectMany(thread => thread.Instructions);
        if (
            test.System.IsPlain
            && !instructions.Any(instruction => instruction.Command is not null || instruction.SystemCall.Count > 0)
        )
        {
            return "has nothing to do with a kernel";
        }

        DesignReport report = DesignReport.Of(test, design, core, options, default, progress, cancellation);
        return report.Verdict is not ModelVerdict verdict ? $"the design has no {string.Join(", ", report.Lacking)}"
            : verdict.Exploration.Bounds.HasFlag(Bounds.Canceled) ? throw new OperationCanceledException(cancellation)
            : IsBroken(verdict) ? "its outcome is possible on the whole design"
            : verdict.Exploration.Bounds == Bounds.Promises ? "is not decided without promises"
            : !verdict.IsComplete ? "was not explored to its end"
            : verdict.Exploration.FinalStates.Count == 0 ? "never ends"
            : null;
    }

    private static bool IsBroken(ModelVerdict verdict) =>
        verdict.Test.Quantifier == Quantifier.ForAll ? !verdict.Holds : verdict.Witnesses > 0;

    private AblationRow Remove(
        KernelDesign design,
        IReadOnlyList<KernelLabel> labels,
        List<Subject> subjects,
        CancellationToken cancellation,
        Func<int, bool>? tells = null
    )
    {
        KernelDesign without = design.With(removedLabels: labels.Select(label => label.Name));
        return new AblationRow(
            labels,
            [
                .. subjects.Select(
                    (subject, index) =>
                        tells?.Invoke(index) == false
                            ? new AblationCell(AblationEffect.NotAsked)
                            : Examine(subject, without, cancellation)
                ),
            ]
        );
    }

    private AblationCell Examine(Subject subject, KernelDesign without, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (Executed(subject.Test, without).SequenceEqual(subject.Executed))
        {
            return new AblationCell(AblationEffect.NotExecuted);
        }

        ModelVerdict verdict = DesignReport
            .Of(subject.Test, without, core, options, default, progress, cancellation)
            .Verdict!;
        if (IsBroken(verdict))
        {
            Outcome outcome = verdict
                .Allowed.Where(outcome => verdict.IsWitness(outcome) == (subject.Test.Quantifier != Quantifier.ForAll))
                .MinBy(outcome => verdict.ShortestTraceTo(outcome)[^1].Step)!;
            return new AblationCell(
                AblationEffect.Breaks,
                verdict.ShortestTraceTo(outcome)[^1].Step,
                outcome.Describe(subject.Test, verdict.Layout)
            );
        }

        return new AblationCell(
            !verdict.IsComplete ? AblationEffect.NotFound
            : verdict.Exploration.FinalStates.Count == 0 ? AblationEffect.NeverEnds
            : AblationEffect.Holds
        );
    }

    // What of a design a test can ever execute: its own system calls, the interrupts that they send, and the switch
    // where it has a scheduler.
    private List<(MicroOpKind, Operand, Operand)> Executed(LitmusTest test, KernelDesign design)
    {
        ModelProgram program = LoweredTest.Of(test, DesignReport.Configure(test, design).Design, core).Program;
        CpuSystem system = program.System!;
        IReadOnlyList<MicroOp> cpu = system.CpuCode[0].Ops;
        IEnumerable<MicroOp> From(int entry, MicroOpKind end) => cpu.Skip(entry).TakeWhile(op => op.Kind != end);
        IEnumerable<MicroOp> tasks = program.Threads.SelectMany(thread => thread.Ops);
        IEnumerable<int> sent = tasks
            .Where(op => op.Kind == MicroOpKind.SendIpi)
            .Select(op => op.Target)
            .Distinct()
            .Order();
        IEnumerable<MicroOp> all = tasks
            .Concat(sent.SelectMany(handler => From(system.HandlerEntries[handler], MicroOpKind.EndInterrupt)))
            .Concat(system.Schedules ? From(system.SwitchEntry, MicroOpKind.EndSwitch) : [])
            .Concat(From(system.ReturnEntry, MicroOpKind.ReturnFromInterrupt));
        return [.. all.Select(op => (op.Kind, op.A, op.B))];
    }
}
