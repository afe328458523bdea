using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Bench;

/// <summary>
/// What is explored for a test, and how forbidden outcomes of a machine are judged. The machine is imagined: no test
/// here depends on what this one shows.
/// </summary>
public sealed class TestBenchTests : IDisposable
{
    private const string Registers = "0:rax=0 /\\ 1:rax=0";
    private static readonly Outcome Forbidden = new([0, 0]);
    private readonly string _folder = Directory.CreateTempSubdirectory("crosscore-bench-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("movl $1,(x)", CoreKind.X86Tso, CoreKind.Sc)]
    [InlineData("movl $1,(%rdi)", CoreKind.X86Tso, CoreKind.Sc)]
    public void Checking_a_test_explores_each_core_once_computed_addresses_or_not(string store, params CoreKind[] cores)
    {
        var explored = new List<CoreKind>();
        var bench = new TestBench(Options) { OnExplore = explored.Add, OnMachine = (test, _, _) => Run(test, []) };
        bench.Examine(
            Write(
                $"{{ 0:rdi=x; }}\nP0 | P1 ;\n{store} | movl $1,(y) ;\nmovl "
                    + $"(y),%eax | movl (x),%eax ;\nexists ({Registers})"
            ),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Equal(cores, explored);
    }

    [Fact]
    public void Running_alone_explores_computed_addresses_as_the_processor_has_them()
    {
        var explored = new List<CoreKind>();
        var bench = new TestBench(Options with { Core = null })
        {
            OnExplore = explored.Add,
            OnMachine = (test, _, _) => Run(test, []),
        };
        bench.Examine(
            Write("{ 0:rdi=x; }\nP0 ;\nmovl (%rdi),%eax ;\nexists (0:rax=1)"),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Equal([CoreKind.Sc, CoreKind.X86Tso], explored);
    }

    [Theory]
    [InlineData("global_expedited", GuaranteeAnswer.No, TestVerdict.KnownDefect)]
    [InlineData("global_expedited", GuaranteeAnswer.Unknown, TestVerdict.KnownDefect)]
    [InlineData("global_expedited", GuaranteeAnswer.Yes, TestVerdict.ForbiddenSeen)]
    [InlineData("private_expedited", GuaranteeAnswer.No, TestVerdict.ForbiddenSeen)]
    public void A_forbidden_outcome_is_one_of_a_known_defect_where_the_command_and_the_kernel_have_it(
        string command,
        GuaranteeAnswer answer,
        TestVerdict verdict
    ) => Assert.Equal(verdict, Check(Asymmetric(command, "(y)"), answer).Verdict);

    [Fact]
    public void A_known_defect_does_not_excuse_an_outcome_that_it_does_not_explain()
    {
        // The other side has a separate fence, so that a call that interrupts no CPU still orders.
        string fenced =
            $"{{ x=0; y=0; }}\nP0 | P1 ;\nmovl $1,(x) | movl $1,(y) ;\nmembarrier global_expedited "
            + $"| mfence ;\nmovl (y),%eax | movl (x),%eax ;\n~exists ({Registers})";
        Assert.Equal(TestVerdict.ForbiddenSeen, Check(fenced, GuaranteeAnswer.No).Verdict);
    }

    [Fact]
    public void A_known_defect_is_told_with_what_is_known_of_it()
    {
        TestReport report = Check(Asymmetric("global_expedited", "(y)"), GuaranteeAnswer.No);
        Assert.Contains("GLOBAL_EXPEDITED", report.Defect!.Name, StringComparison.Ordinal);
        Assert.Equal("imagined", report.Defect.Source);
        Assert.Equal(Forbidden, Assert.Single(report.Forbidden).Outcome);
    }

    private static string Asymmetric(string command, string other) =>
        $"{{ x=0; y=0; }}\nP0 | P1 ;\nmovl $1,(x) | movl $1,{other} ;\nmembarrier "
        + $"{command} | ;\nmovl (y),%eax | movl (x),%eax ;\n~exists ({Registers})";

    private static BenchOptions Options => new() { Core = CoreKind.X86Tso, Machine = new MachineRunOptions() };

    private TestReport Check(string text, GuaranteeAnswer answer)
    {
        var guarantee = new MachineGuarantee(
            MachinePromise.RegisteredReceiversMemoryBarrier,
            answer,
            GuaranteeBasis.ByKernelVersion,
            "",
            "imagined"
        );
        var bench = new TestBench(Options)
        {
            OnMachine = (test, _, _) => Run(test, [Forbidden]),
            Guarantees = () => [guarantee],
        };
        return bench.Examine(Write(text), cancellation: TestContext.Current.CancellationToken);
    }

    private string Write(string text)
    {
        string file = Path.Combine(_folder, "Test.litmus");
        File.WriteAllText(file, "X86_64 Test\n" + text);
        return file;
    }

    private static MachineRun Run(LitmusTest test, Outcome[] seen) =>
        new()
        {
            Test = test,
            Mode = MachineMode.Rendezvous,
            ModeReason = "",
            End = MachineRunEnd.Completed,
            Iterations = 1,
            FastIterations = 1,
            RelevantTrials = 1,
            Histogram = seen.ToDictionary(outcome => outcome, _ => 1L),
            Elapsed = TimeSpan.FromSeconds(1),
            Processors = [0, 1],
            Oversubscribed = false,
            Remarks = [],
        };
}
