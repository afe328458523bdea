using Crosscore.Tool.Inputs;

namespace Crosscore.Tool.Status;

/// <summary>What makes the command fail: classes of verdicts, as <c>--fail-on</c> names them.</summary>
[Flags]
internal enum FailOn
{
    /// <summary>Nothing except bad input.</summary>
    Nothing = 0,

    /// <summary>
    /// A forbidden outcome, an expectation that is not met or undecided, a control that was not seen, a test that never
    /// ends.
    /// </summary>
    Unexpected = 1,

    /// <summary>
    /// A violated question without an expectation, and a design that is worse than its base.
    /// </summary>
    Violated = 2,

    /// <summary>A forbidden outcome that a known defect of this kernel explains.</summary>
    KnownDefect = 4,

    /// <summary>Any test that a bound leaves undecided.</summary>
    Undecided = 8,

    /// <summary>Any test that was to run and did not.</summary>
    NotRun = 16,

    /// <summary>Any test with an execution that may hang: it reaches a state from which it cannot end.</summary>
    MayHang = 32,
}

/// <summary>Reads <see cref="FailOn"/> and explains it.</summary>
internal static class FailOnRules
{
    /// <summary>The classes that fail by default.</summary>
    public const string Default = "unexpected,violated";

    private static readonly Dictionary<string, FailOn> Names = new()
    {
        ["unexpected"] = FailOn.Unexpected,
        ["violated"] = FailOn.Violated,
        ["known-defect"] = FailOn.KnownDefect,
        ["undecided"] = FailOn.Undecided,
        ["not-run"] = FailOn.NotRun,
        ["may-hang"] = FailOn.MayHang,
        ["nothing"] = FailOn.Nothing,
    };

    /// <summary>
    /// The classes with their statuses, for people: <c>unexpected (status 1), violated (status 3), ...</c>.
    /// </summary>
    public static string Explained =>
        string.Join(
            ", ",
            Names.Select(name =>
                name.Value == FailOn.Nothing ? name.Key : $"{name.Key} (status {ExitStatus.Of(name.Value)})"
            )
        );

    /// <summary>Reads a list of classes.</summary>
    /// <exception cref="UsageException">A word of it is no class, or <c>nothing</c> is not the only one.</exception>
    public static FailOn Parse(string list)
    {
        string[] words = list.Split(',', StringSplitOptions.TrimEntries);
        if (words.Length > 1 && words.Any(word => Names.TryGetValue(word, out FailOn one) && one == FailOn.Nothing))
        {
            throw new UsageException(
                $"found '{list}' after --fail-on, expected 'nothing' alone or other classes without it"
            );
        }

        FailOn all = FailOn.Nothing;
        foreach (string word in words)
        {
            all |= Names.TryGetValue(word, out FailOn one)
                ? one
                : throw new UsageException(
                    $"found '{word}' after --fail-on, expected some of "
                        + $"{string.Join(", ", Names.Keys)}, separated by commas"
                );
        }

        return all;
    }
}
