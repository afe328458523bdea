using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Programs;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Verdicts;

/// <summary>What the model says of a test: which outcomes a kind of core allows.</summary>
internal sealed class ModelVerdict
{
    private readonly Dictionary<Outcome, FinalState> _finals;

    private ModelVerdict(
        LitmusTest test,
        LoweredTest lowered,
        CoreKind core,
        KernelDesign? kernel,
        Exploration exploration
    )
    {
        Test = test;
        Kernel = kernel;
        Layout = lowered.Layout;
        Memory = lowered.Program.Memory;
        Core = core;
        Exploration = exploration;
        _finals = [];
        foreach (FinalState final in exploration.FinalStates)
        {
            // Different values may be equal once cut to the observed types; the first one found has the shortest trace.
            Outcome outcome = final.IsUndefined ? Outcome.Unpredictable : LoweredTest.OutcomeOf(test, final.Values);
            if (outcome.IsUnpredictable || test.PassesFilter(outcome))
            {
                _finals.TryAdd(outcome, final);
            }
        }

        Allowed = [.. _finals.Keys.Order(Outcome.Order(test))];
        Witnesses = Allowed.Count(IsWitness);
        Note = WholeReading();
    }

    /// <summary>Gets the test.</summary>
    public LitmusTest Test { get; }

    /// <summary>Gets the test's memory.</summary>
    public MemoryLayout Layout { get; }

    /// <summary>Gets all memory of the program that was explored: the test's and the kernel design's.</summary>
    public IReadOnlyList<MemoryRegion> Memory { get; }

    /// <summary>Gets the kind of core.</summary>
    public CoreKind Core { get; }

    /// <summary>Gets the kernel design, if the test ran on one.</summary>
    public KernelDesign? Kernel { get; }

    /// <summary>Gets the exploration behind the verdict.</summary>
    public Exploration Exploration { get; }

    /// <summary>
    /// Gets the outcomes that the core allows and the filter lets through, sorted. Complete only when
    /// <see cref="IsComplete"/>.
    /// </summary>
    public IReadOnlyList<Outcome> Allowed { get; }

    /// <summary>Whether nothing was cut off, so that what is not in <see cref="Allowed"/> is impossible.</summary>
    public bool IsComplete => Exploration.Bounds == Bounds.None;

    /// <summary>
    /// Whether some execution comes to a state from which no end can be reached (<see cref="Endings.MayHang"/>, <see
    /// cref="Endings.Never"/>).
    /// </summary>
    public bool MayHang => Exploration.Endings is Endings.MayHang or Endings.Never;

    /// <summary>For how many allowed outcomes the condition's proposition is true.</summary>
    public int Witnesses { get; }

    /// <summary>Gets the same in a word.</summary>
    public Frequency Frequency => FrequencyOf(Witnesses);

    /// <summary>Whether the answer to the condition, as it is asked, is yes.</summary>
    public bool Holds =>
        Test.Quantifier switch
        {
            Quantifier.Exists => Witnesses > 0,
            Quantifier.NotExists => Witnesses == 0,
            _ => Witnesses == Allowed.Count,
        };

    /// <summary>
    /// Whether the rest of an incomplete exploration cannot change <see cref="Holds"/>: a witness is a witness, however
    /// much was cut off.
    /// </summary>
    public bool IsFinal =>
        IsComplete
        || Test.Quantifier switch
        {
            Quantifier.ForAll => !Holds,
            _ => Witnesses > 0,
        };

    /// <summary>Gets the answer to the question of the test.</summary>
    public TestAnswer Answer =>
        Exploration.FinalStates.Count == 0 && IsComplete ? TestAnswer.NeverEnds
        : !IsFinal ? TestAnswer.NotFound
        : Test.Quantifier == Quantifier.Exists ? (Holds ? TestAnswer.Possible : TestAnswer.Impossible)
        : Holds ? TestAnswer.Holds
        : TestAnswer.Violated;

    /// <summary>
    /// Gets what a reader should know of how the question was read; <see langword="null"/> when there is
    /// nothing.
    /// </summary>
    public string? Note { get; }

    /// <summary>Whether cores of a kind execute the instructions of a test.</summary>
    /// <param name="core">The kind of core.</param>
    /// <param name="test">The test.</param>
    public static bool CanExecute(CoreKind core, LitmusTest test)
    {
        ArgumentNullException.ThrowIfNull(test);
        return core == CoreKind.Sc
            || CoreRules.Of(core).IsWeaklyOrdered == CoreRules.Of(test.HomeCore()).IsWeaklyOrdered;
    }

    /// <summary>Explores a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="core">The kind of core.</param>
    /// <param name="options">How to explore.</param>
    /// <param name="kernel">The kernel design that it runs on, if any.</param>
    /// <param name="progress">Receives progress reports.</param>
    /// <param name="cancellation">Cancels it.</param>
    /// <exception cref="LitmusException">The model cannot explore this test.</exception>
    public static ModelVerdict Of(
        LitmusTest test,
        CoreKind core,
        ExplorationOptions? options = null,
        KernelDesign? kernel = null,
        IProgress<ExplorationProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        if (!CanExecute(core, test))
        {
            throw new LitmusException(
                test.File,
                new SourcePosition(1, 1),
                $"found a test in {test.Architecture}, whose instructions "
                    + $"cores of the kind {CoreNames.Of(core)} do not execute"
            );
        }

        LoweredTest lowered = LoweredTest.Of(test, kernel, core);
        options ??= new ExplorationOptions();
        options = options with { Caches = options.Caches ?? TestCaches.Of(test) };
        try
        {
            return new ModelVerdict(
                test,
                lowered,
                core,
                kernel,
                Explorer.Explore(lowered.Program, core, options, progress, cancellation)
            );
        }
        catch (Model.ModelException problem) when (problem.Thread >= 0 && problem.Instruction >= 0)
        {
            ITestInstruction instruction = test.Threads[problem.Thread].Instructions[problem.Instruction];
            throw new LitmusException(
                test.File,
                instruction.Position,
                $"found {instruction.Text} in P{problem.Thread}: {problem.Message}"
            );
        }
        catch (Model.ModelException problem)
        {
            throw new LitmusException(test.File, new SourcePosition(1, 1), problem.Message);
        }
    }

    /// <summary>
    /// Whether the condition's proposition is true of an outcome. Where nothing is promised, what is asked for may
    /// happen, and what is required may not.
    /// </summary>
    /// <param name="outcome">An outcome of the test, allowed or not.</param>
    public bool IsWitness(Outcome outcome) =>
        outcome.IsUnpredictable ? Test.Quantifier != Quantifier.ForAll : Test.Condition.Holds(outcome, Test, Layout);

    // An undeclared register is an int, as in herd. Where all that it holds would be another answer, the test should
    // say what it means.
    private string? WholeReading()
    {
        Observable[] undeclared = [.. Test.Observables.Where(observable => observable.IsUndeclared)];
        if (undeclared.Length == 0)
        {
            return null;
        }

        List<Outcome> all = [.. _finals.Keys.Where(outcome => !outcome.IsUnpredictable)];
        int whole =
            all.Count(outcome => Test.Condition.Holds(outcome, Test, Layout, whole: true))
            + (_finals.Count - all.Count) * (Test.Quantifier != Quantifier.ForAll ? 1 : 0);
        Frequency other = FrequencyOf(whole);
        string types = string.Join(" ", undeclared.Select(observable => $"{DataType.SignedOf(8).Name} {observable};"));
        return other == Frequency
            ? null
            : $"registers without a type are read as int: {Frequency}. Read as {DataType.SignedOf(8).Name} "
                + $"the verdict is {other}; to choose, declare them in the initial state: {types}";
    }

    private Frequency FrequencyOf(int witnesses) =>
        witnesses == 0 ? Frequency.Never
        : witnesses == Allowed.Count ? Frequency.Always
        : Frequency.Sometimes;

    /// <summary>Whether the core allows an outcome, as far as was explored.</summary>
    /// <param name="outcome">An outcome of the test.</param>
    public bool Allows(Outcome outcome) => _finals.ContainsKey(outcome);

    /// <summary>Gets the shortest trace to an allowed outcome.</summary>
    /// <param name="outcome">An allowed outcome.</param>
    public IReadOnlyList<TraceEvent> ShortestTraceTo(Outcome outcome) => Exploration.ShortestTraceTo(_finals[outcome]);
}
