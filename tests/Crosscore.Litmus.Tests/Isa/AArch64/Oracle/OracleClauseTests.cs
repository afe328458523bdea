namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>The tests see every part of the model: with any clause left out, some test has other outcomes.</summary>
public class OracleClauseTests
{
    // For clauses that neither the public tests nor the cycles need.
    private static readonly string[] Written =
    [
        Columns(
            "SB with an acquire-release swap before the load",
            ["SWPAL W7,W1,[X11]", "LDR W0,[X12]"],
            ["SWPAL W7,W1,[X12]", "LDR W0,[X11]"]
        ),
        Columns(
            "Increments are not lost",
            ["LDADD W7,W0,[X11]"],
            ["LDXR W0,[X11]", "ADD W1,W0,#1", "STXR W5,W1,[X11]"]
        ),
        Columns(
            "LB with a second write after the dependent one",
            ["LDR W0,[X11]", "EOR W1,W0,W0", "ADD W1,W1,#1", "STR W1,[X12]", "STR W8,[X12]"],
            ["LDR W0,[X12]", "EOR W1,W0,W0", "ADD W1,W1,#1", "STR W1,[X11]"]
        ),
        Columns(
            "MP with a dependent write that an acquire may read",
            ["STR W7,[X11]", "STLR W7,[X12]"],
            ["LDR W0,[X12]", "EOR W1,W0,W0", "STR W7,[X13,W1,SXTW]", "LDAR W1,[X13]", "LDR W1,[X11]"]
        ),
        Columns(
            "MP with a swap whose write an acquire may read",
            ["STR W7,[X11]", "STLR W7,[X12]"],
            ["SWP W8,W0,[X12]", "LDAPR W1,[X12]", "LDR W1,[X11]"]
        ),
        Columns(
            "LB with an access of dependent address before the write",
            ["LDR W0,[X12]", "DMB SY", "STR W7,[X11]"],
            ["LDR W0,[X11]", "EOR W1,W0,W0", "LDR W1,[X13,W1,SXTW]", "STR W7,[X12]"]
        ),
        Columns(
            "A pick dependency into a write that an acquire may read",
            ["LDR W0,[X12]", "DMB SY", "STR W7,[X11]"],
            ["LDR W0,[X11]", "CMP W0,#1", "CSEL W5,W7,W8,EQ", "STR W5,[X13]", "LDAR W1,[X13]", "STR W7,[X12]"]
        ),
    ];

    // Pick dependencies contain the others wherever a write comes last, so these are looked at in the model without
    // them.
    private const Clauses InPick =
        Clauses.DataDependency
        | Clauses.ControlDependency
        | Clauses.AddressBeforeWrite
        | Clauses.ContextSynchronization;
    private const Clauses Pick = Clauses.PickDependency | Clauses.PickBeforeLocal;

    // What orders anything before the read of an atomic orders it before the write too, so no verdict hangs on this
    // clause alone.
    private const Clauses Implied = Clauses.AtomicOrder;

    private static readonly Lazy<(
        string Name,
        OracleTest Test,
        HashSet<FinalState> Outcomes,
        HashSet<FinalState> WithoutPick
    )[]> Pool = new(() =>
        [
            .. Texts()
                .Select(text =>
                {
                    OracleTest test = OracleReader.Read(text);
                    return (
                        test.Name,
                        test,
                        AxiomaticOracle.Outcomes(test),
                        AxiomaticOracle.Outcomes(test, Clauses.All & ~Pick)
                    );
                }),
        ]
    );

    public static TheoryData<string> Needed =>
        [
            .. Enum.GetValues<Clauses>()
                .Where(clause => clause is not (Clauses.None or Clauses.All or Implied))
                .Select(clause => clause.ToString()),
        ];

    [Theory]
    [MemberData(nameof(Needed))]
    public void Without_a_clause_some_test_allows_more(string name)
    {
        Clauses clause = Enum.Parse<Clauses>(name);
        bool inPick = (clause & InPick) != 0;
        Clauses rest = Clauses.All & ~clause & ~(inPick ? Pick : Clauses.None);
        bool found = Array.Exists(
            Pool.Value,
            known =>
                AxiomaticOracle
                    .Outcomes(known.Test, rest)
                    .IsProperSupersetOf(inPick ? known.WithoutPick : known.Outcomes)
        );
        Assert.True(found, $"No test hangs on {name}.");
    }

    private static IEnumerable<string> Texts() =>
        Written.Concat(AArch64Cycles.All(mostOfShape: 120).Select(cycle => cycle.Text));

    private static string Columns(string name, params string[][] columns) =>
        AArch64Text.Write(
            name,
            ["int x", "int y", "int z"],
            [.. columns.Select(_ => (string[])["X7=1", "X8=2", "X11=x", "X12=y", "X13=z"])],
            columns,
            [.. columns.SelectMany((_, thread) => new[] { $"{thread}:X0", $"{thread}:X1" }), "x", "y"]
        );
}
