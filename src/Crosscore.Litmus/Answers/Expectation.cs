using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Answers;

/// <summary>
/// What a test says of itself in its header, which other tools pass over:
/// <c>Expect=x86-tso:Sometimes sc:Never</c> is the model's verdict for each kind of core, and <c>Machine=seen</c> says that the condition's outcome must be seen
/// when the test runs on an x86-64 processor: the test is a control that proves that a neighbour's "never seen" means something.
/// </summary>
public static class Expectation
{
    /// <summary>The names of the kinds of cores, as the command line has them.</summary>
    public static IReadOnlyDictionary<string, CoreKind> CoreNames { get; } = new Dictionary<string, CoreKind>
    {
        ["x86-tso"] = CoreKind.X86Tso,
        ["sc"] = CoreKind.Sc,
    };

    // Enum.TryParse would also take numbers and lists.
    internal static bool TryParse(string word, out Frequency frequency) => Enum.TryParse(word, out frequency) && frequency.ToString() == word;

    /// <summary>The verdict that a test expects of the model.</summary>
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
            if (parts.Length != 2 || !CoreNames.TryGetValue(parts[0], out CoreKind named) || !TryParse(parts[1], out Frequency frequency))
            {
                throw new LitmusException(
                    test.File, new SourcePosition(1, 1), $"found 'Expect={line}', expected entries such as x86-tso:Sometimes or sc:Never (or Always)");
            }

            expected = named == core ? frequency : expected;
        }

        return expected;
    }

    /// <summary>Whether the condition's outcome must be seen on the machine.</summary>
    /// <param name="test">The test.</param>
    /// <exception cref="LitmusException">The line cannot be read.</exception>
    public static bool MustBeSeen(LitmusTest test) => test.Properties.TryGetValue("Machine", out string? line)
        && (line == "seen" ? true : throw new LitmusException(test.File, new SourcePosition(1, 1), $"found 'Machine={line}', expected Machine=seen"));
}
