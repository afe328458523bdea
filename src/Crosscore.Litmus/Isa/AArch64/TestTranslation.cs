using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Where a thread without a handler continues after a fault, as herd's variants say it.</summary>
internal enum FaultReturn
{
    /// <summary>At the instruction that faulted, which is tried again.</summary>
    Retry,

    /// <summary>Nowhere: the thread ends.</summary>
    End,

    /// <summary>At the next instruction.</summary>
    Skip,
}

/// <summary>
/// What the header of a test says of translation, faults and exceptions: <c>Variant=vmsa,fatal</c>, <c>EL0=P0,P2</c>,
/// <c>TTHM=...</c>.
/// </summary>
/// <param name="Return">What follows a fault.</param>
/// <param name="EntrySynchronizes">Whether exception entry is a context synchronization; with FEAT_ExS only where EIS
/// says so.</param>
/// <param name="ReturnSynchronizes">Whether exception return is one; with FEAT_ExS only where EOS says so.</param>
/// <param name="Unprivileged">The threads that run at EL0.</param>
internal sealed record TestTranslation(
    FaultReturn Return,
    bool EntrySynchronizes,
    bool ReturnSynchronizes,
    IReadOnlySet<int> Unprivileged
)
{
    private static readonly char[] Separators = [' ', ','];

    /// <summary>Reads the header.</summary>
    /// <exception cref="LitmusException">It asks for something that is unknown or not modeled.</exception>
    public static TestTranslation Of(LitmusTest test)
    {
        // Herd's default, with and without a line in the header.
        var known = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        FaultReturn faultReturn = FaultReturn.End;
        foreach ((string word, SourcePosition position) in Words(test, "Variant"))
        {
            known.Add(word);
            faultReturn = word.ToUpperInvariant() switch
            {
                "HANDLED" or "IMPRECISE" => FaultReturn.Retry,
                "FATAL" or "PRECISE" => FaultReturn.End,
                "SKIP" or "FAULTTONEXT" => FaultReturn.Skip,
                "VMSA" or "KVM" or "IFETCH" or "SELF" or "EXS" or "EIS" or "EOS" => faultReturn,
                _ => throw new LitmusException(
                    test.File,
                    position,
                    $"found the variant '{word}', expected vmsa, ifetch, fatal, "
                        + "handled, skip, exs, eis or eos; no other is modeled"
                ),
            };
        }

        var unprivileged = new HashSet<int>();
        foreach ((string word, SourcePosition position) in Words(test, "EL0"))
        {
            int thread = word.StartsWith('P') && int.TryParse(word.AsSpan(1), out int number) ? number : -1;
            unprivileged.Add(
                thread >= 0 && thread < test.Threads.Count
                    ? thread
                    : throw new LitmusException(test.File, position, $"found '{word}', expected a column such as P0")
            );
        }

        // Hardware that manages the access flag and the dirty state writes entries by itself; where there is nothing to
        // manage it makes no difference.
        if (
            Words(test, "TTHM").Select(entry => (SourcePosition?)entry.Position).FirstOrDefault()
                is SourcePosition managed
            && test.PageEntries.Any(entry =>
                (entry.Fields & TableEntry.Accessed) == 0 || (entry.Fields & TableEntry.ReadOnly) != 0
            )
        )
        {
            throw new LitmusException(
                test.File,
                managed,
                "found TTHM= and an entry with af:0 or db:0; that hardware manages these fields is not modeled"
            );
        }

        bool optional = known.Contains("exs");
        return new TestTranslation(
            faultReturn,
            !optional || known.Contains("eis"),
            !optional || known.Contains("eos"),
            unprivileged
        );
    }

    private static IEnumerable<(string Word, SourcePosition Position)> Words(LitmusTest test, string key) =>
        test
            .Properties.Where(property => property.Key.Equals(key, StringComparison.OrdinalIgnoreCase))
            .SelectMany(property =>
                property
                    .Value.Split(Separators, StringSplitOptions.RemoveEmptyEntries)
                    .Select(word => (word, test.PropertyPositions[property.Key]))
            );
}
