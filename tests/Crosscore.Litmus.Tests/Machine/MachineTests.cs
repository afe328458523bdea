using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Machine;

/// <summary>
/// What the tests of the machine share: parsing, running, and saying why a test cannot tell anything here.
/// </summary>
internal static class MachineTests
{
    public const string StoreBuffering = """
        X86_64 SB
        { }
         P0            | P1            ;
         movl $1,(x)   | movl $1,(y)   ;
         movl (y),%eax | movl (x),%eax ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    public const string StoreBufferingWithFences = """
        X86_64 SB+mfences
        { }
         P0            | P1            ;
         movl $1,(x)   | movl $1,(y)   ;
         mfence        | mfence        ;
         movl (y),%eax | movl (x),%eax ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    public const string StoreBufferingWithMembarrier = """
        X86_64 SB+membarrier+po
        { }
         P0                           | P1            ;
         movl $1,(x)                  | movl $1,(y)   ;
         membarrier private_expedited |               ;
         movl (y),%eax                | movl (x),%eax ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    /// <summary>Long enough for a busy machine, short enough that a broken one is noticed.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(10);

    public static LitmusTest Parse(string text) => LitmusParser.Parse(text, "test.litmus");

    public static MachineRun Run(string text, MachineRunOptions options) =>
        MachineRunner.Run(Parse(text), options, TestContext.Current.CancellationToken);

    /// <summary>A single column, run a few times; it must have one outcome.</summary>
    public static ulong[] OnlyOutcome(string text)
    {
        MachineRun run = Run(text, new MachineRunOptions { Iterations = 200 });
        Assert.Equal(MachineRunEnd.Completed, run.End);
        (Outcome outcome, long count) = Assert.Single(run.Histogram);
        Assert.Equal(200, count);
        return outcome.Values.ToArray();
    }

    public static bool IsWeak(Outcome outcome) => outcome.Values.IndexOfAnyExcept(0UL) < 0;

    public static long CountOfWeak(MachineRun run) =>
        run.Histogram.Where(entry => IsWeak(entry.Key)).Sum(entry => entry.Value);

    public static void RequireMachine()
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux()
                && System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
                    == System.Runtime.InteropServices.Architecture.X64,
            "This machine is not x86-64 Linux, so it cannot run the code."
        );
    }

    public static void RequireProcessors(int count)
    {
        RequireMachine();
        int allowed = Processors.Allowed().Count;
        Assert.SkipWhen(
            allowed < count,
            $"This process may use {Plural.Of(allowed, "processor")}; {count} are needed to see anything."
        );
    }
}
