using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Answers;

/// <summary>
/// The expectations in the header of a test, which other tools ignore: <c>Expect=x86-tso:Sometimes sc:Never</c> is
/// the model's verdict for each kind of core, and <c>Machine=seen</c> says that the condition's outcome must be seen
/// when the test runs on an x86-64 processor: the test is a control that proves that a neighbor's "never seen" means
/// something.
/// </summary>
internal static class Expectation
{
    private const string DesignKey = "Expect[";

    // Enum.TryParse would also take numbers and lists.
    internal static bool TryParse(string word, out Frequency frequency) =>
        Enum.TryParse(word, out frequency) && frequency.ToString() == word;

    /// <summary>Gets the verdict that a test expects of the model.</summary>
    /// <param name="test">The test.</param>
    /// <param name="core">The kind of core.</param>
    /// <returns>The verdict, or <see langword="null"/> when it names none for this core.</returns>
    /// <exception cref="LitmusException">The line cannot be read.</exception>
    public static Frequency? Of(LitmusTest test, CoreKind core)
    {
        if (!test.Properties.TryGetValue("Expect", out string? line))
        {
            return null;
        }

        Frequency? expected = null;
        foreach (string entry in line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = entry.Split(':');
            if (
                parts.Length != 2
                || !CoreNames.All.TryGetValue(parts[0], out CoreKind named)
                || !TryParse(parts[1], out Frequency frequency)
            )
            {
                throw new LitmusException(
                    test.File,
                    new SourcePosition(1, 1),
                    $"found 'Expect={line}', expected entries such as x86-tso:Sometimes or sc:Never (or Always)"
                );
            }

            expected = named == core ? frequency : expected;
        }

        return expected;
    }

    /// <summary>Whether a test says what it expects of kernel designs.</summary>
    /// <param name="test">The test.</param>
    public static bool IsAboutKernels(LitmusTest test) =>
        test.Properties.Keys.Any(key => key.StartsWith(DesignKey, StringComparison.Ordinal));

    /// <summary>
    /// Gets the designs that a test's <c>Expect[...]</c> lines name, without <c>*</c> and without profiles.
    /// </summary>
    /// <param name="test">The test.</param>
    internal static IEnumerable<string> NamesOfDesigns(LitmusTest test) =>
        test
            .Properties.Keys.Where(key => key.StartsWith(DesignKey, StringComparison.Ordinal) && key.EndsWith(']'))
            .SelectMany(key => key[DesignKey.Length..^1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(name => name.Split('/')[0])
            .Where(name => name != "*")
            .Distinct();

    /// <summary>
    /// Gets the verdict that a test expects on a kernel design, from lines such as <c>Expect[linux-5.4
    /// linux-4.16]=Sometimes the reason in one line</c>. A name may carry a fetch profile, <c>linux-5.4/coherent</c>;
    /// <c>*</c> is every design. A line with the profile counts before one without, then one with the name.
    /// </summary>
    /// <param name="test">The test.</param>
    /// <param name="design">The name of the design.</param>
    /// <param name="profile">The name of the fetch profile.</param>
    /// <returns>The verdict and the reason, or <see langword="null"/> when the test names none for this
    /// design.</returns>
    /// <exception cref="LitmusException">A line cannot be read.</exception>
    public static (Frequency Frequency, string Reason)? OnKernel(LitmusTest test, string design, string profile)
    {
        string[] wanted = [$"{design}/{profile}", $"*/{profile}", design, "*"];
        (int Rank, Frequency Frequency, string Reason)? best = null;
        foreach (
            (string key, string value) in test.Properties.Where(entry =>
                entry.Key.StartsWith(DesignKey, StringComparison.Ordinal)
            )
        )
        {
            string[] words = value.Split(' ', 2, StringSplitOptions.RemoveEmptyEntries);
            if (
                !key.EndsWith(']')
                || words.Length == 0
                || !Enum.TryParse(words[0], out Frequency frequency)
                || !Enum.IsDefined(frequency)
            )
            {
                throw new LitmusException(
                    test.File,
                    test.PropertyPositions[key],
                    $"found '{key}={value}', expected Expect[DESIGN ...]=Never, Sometimes or Always, and the reason"
                );
            }

            foreach (string name in key[DesignKey.Length..^1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                int rank = Array.IndexOf(wanted, name);
                if (rank >= 0 && (best is null || rank < best.Value.Rank))
                {
                    best = (rank, frequency, words.Length > 1 ? words[1] : "");
                }
            }
        }

        return best is { } found ? (found.Frequency, found.Reason) : null;
    }

    /// <summary>Whether the condition's outcome must be seen on the machine.</summary>
    /// <param name="test">The test.</param>
    /// <exception cref="LitmusException">The line cannot be read.</exception>
    public static bool MustBeSeen(LitmusTest test) =>
        test.Properties.TryGetValue("Machine", out string? line)
        && (
            line == "seen"
                ? true
                : throw new LitmusException(
                    test.File,
                    new SourcePosition(1, 1),
                    $"found 'Machine={line}', expected Machine=seen"
                )
        );
}
