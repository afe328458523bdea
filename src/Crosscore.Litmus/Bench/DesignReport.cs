using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Litmus.Bench;

/// <summary>One test on one kernel design.</summary>
/// <param name="Design">The design, with the options and removals that the test asks for.</param>
/// <param name="Verdict">The verdict; <see langword="null"/> when the design lacks something that the test
/// needs.</param>
/// <param name="Lacking">What it lacks, in words: system calls that the test makes, labels that it removes, options
/// that it sets.</param>
/// <param name="Expected">What the test expects, and why, if it says so.</param>
internal sealed record DesignReport(
    KernelDesign Design,
    ModelVerdict? Verdict,
    IReadOnlyList<string> Lacking,
    (Frequency Frequency, string Reason)? Expected
)
{
    /// <summary>
    /// Gets the same test on the design that this one extends, where that was asked; otherwise <see langword="null"/>.
    /// </summary>
    public DesignReport? Base { get; init; }

    /// <summary>
    /// Whether it makes an outcome possible that contradicts the question and that the design that it extends
    /// forbids.
    /// </summary>
    public bool IsWorseThanBase =>
        Verdict is not null
        && Base?.Verdict is { IsComplete: true } before
        && Verdict.Allowed.Any(outcome =>
            !before.Allows(outcome) && before.IsWitness(outcome) == (before.Test.Quantifier != Quantifier.ForAll)
        );

    /// <summary>Whether the verdict is not the expected one.</summary>
    public bool Disagrees =>
        Verdict is { IsFinal: true } && Expected is { } expected && Verdict.Frequency != expected.Frequency;

    /// <summary>
    /// Gets the outcomes that the design allows and the specification forbids: on this test the design is wrong when
    /// there is one. <see langword="null"/> when either of them has no verdict.
    /// </summary>
    /// <param name="specification">The report of the same test on the specification.</param>
    public IReadOnlyList<Outcome>? Excess(DesignReport specification) =>
        Verdict is null || specification.Verdict is null
            ? null
            : [.. Verdict.Allowed.Where(outcome => !specification.Verdict.Allows(outcome))];

    /// <summary>Examines a test on a design.</summary>
    /// <param name="test">The test.</param>
    /// <param name="design">The design.</param>
    /// <param name="core">The kind of core.</param>
    /// <param name="options">How to explore.</param>
    /// <param name="machine">What the machine beneath has in addition to what the test says.</param>
    /// <param name="progress">Receives progress reports.</param>
    /// <param name="cancellation">Cancels it.</param>
    /// <exception cref="LitmusException">The model cannot explore this test.</exception>
    public static DesignReport Of(
        LitmusTest test,
        KernelDesign design,
        CoreKind core,
        ExplorationOptions options,
        TestMachine machine = default,
        IProgress<ExplorationProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        test = machine == default ? test : test with { System = test.System.On(machine, test.File) };
        (KernelDesign configured, IReadOnlyList<string> lacking) = Configure(test, design);
        // What tests say of designs, they say of x86-TSO.
        (Frequency, string)? expected =
            core == test.HomeCore() ? Expectation.OnKernel(test, design.Name, ProfileName(options.Fetch)) : null;
        IEnumerable<string> calls = KernelLowering
            .Calls(test)
            .Select(call => call.Name)
            .Where(name => design.Syscalls.All(known => known.Name != name))
            .Distinct();
        lacking = [.. calls, .. lacking];
        return new DesignReport(
            configured,
            lacking.Count > 0 ? null : ModelVerdict.Of(test, core, options, configured, progress, cancellation),
            lacking,
            expected
        );
    }

    /// <summary>
    /// Refuses a test with a system call that no design has: a misspelled one would be skipped like one that came
    /// with a later kernel.
    /// </summary>
    /// <param name="test">The test.</param>
    /// <param name="known">All designs that are known.</param>
    /// <exception cref="LitmusException">There is such a call.</exception>
    public static void RequireKnownCalls(LitmusTest test, IEnumerable<KernelDesign> known)
    {
        HashSet<string> names = [.. known.SelectMany(design => design.Syscalls).Select(call => call.Name)];
        foreach (
            (ITestInstruction instruction, string name) in KernelLowering
                .Calls(test)
                .Where(call => !names.Contains(call.Name))
        )
        {
            throw new LitmusException(
                test.File,
                instruction.Position,
                $"found the system call {name}, which no kernel design has; expected "
                    + $"one of exit, {string.Join(", ", names.Order(StringComparer.Ordinal))}"
            );
        }
    }

    /// <summary>Gets the name of a fetch profile, as the command line and tests have it.</summary>
    /// <param name="profile">The profile.</param>
    public static string ProfileName(FetchProfile profile) =>
        profile switch
        {
            FetchProfile.Amd => "amd",
            FetchProfile.Coherent => "coherent",
            _ => "sdm",
        };

    // "Options=NAME=VALUE ..." and "Remove=LABEL ..." of the header; and what of it the design does not have, so that
    // the test says nothing about it.
    internal static (KernelDesign Design, IReadOnlyList<string> Lacking) Configure(LitmusTest test, KernelDesign design)
    {
        var options = new Dictionary<string, string>();
        var lacking = new List<string>();
        foreach (string entry in Words(test, "Options"))
        {
            string[] parts = entry.Split('=');
            if (parts.Length != 2)
            {
                throw new LitmusException(
                    test.File,
                    test.PropertyPositions["Options"],
                    $"found '{entry}', expected NAME=VALUE"
                );
            }

            if (design.Options.ContainsKey(parts[0]))
            {
                options[parts[0]] = parts[1];
            }
            else
            {
                lacking.Add($"option {parts[0]}");
            }
        }

        var removed = new List<string>();
        foreach (string label in Words(test, "Remove"))
        {
            string[] found =
            [
                .. design
                    .Labels.Select(known => known.Name)
                    .Where(name => name == label || name.EndsWith("." + label, StringComparison.Ordinal)),
            ];
            removed.AddRange(found);
            lacking.AddRange(found.Length > 0 ? [] : [$"label {label}"]);
        }

        try
        {
            return (options.Count + removed.Count == 0 ? design : design.With(options, removed), lacking);
        }
        catch (ArgumentException problem)
        {
            throw new LitmusException(
                test.File,
                test.PropertyPositions["Options"],
                $"found Options={test.Properties["Options"]}: {problem.Message}"
            );
        }
    }

    /// <summary>
    /// Says which labels and options of a test's header no design has, a slip with what was probably meant; empty for
    /// none.
    /// </summary>
    internal static string NamesOfNoDesign(LitmusTest test, IReadOnlyList<KernelDesign> known)
    {
        string[] labels =
        [
            .. known
                .SelectMany(design => design.Labels)
                .SelectMany(label => new[] { label.Name, label.Name[(label.Name.LastIndexOf('.') + 1)..] })
                .Distinct(),
        ];
        string[] options = [.. known.SelectMany(design => design.Options.Keys).Distinct()];
        IEnumerable<string> unknownLabels = Words(test, "Remove")
            .Where(label => !labels.Any(name => name == label || name.EndsWith("." + label, StringComparison.Ordinal)))
            .Select(label => $"no kernel design has label {label}{Suggestion.For(label, labels)}");
        IEnumerable<string> unknownOptions = Words(test, "Options")
            .Select(entry => entry.Split('=')[0])
            .Where(name => !options.Contains(name))
            .Select(name => $"no kernel design has option {name}{Suggestion.For(name, options)}");
        return string.Join("; ", unknownLabels.Concat(unknownOptions));
    }

    private static string[] Words(LitmusTest test, string key) =>
        test.Properties.TryGetValue(key, out string? line)
            ? line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            : [];
}
