using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Machine;

/// <summary>Whole tests in rendezvous mode: what must be seen, what must not, and how a run ends.</summary>
public class RendezvousTests
{
    [Fact]
    public void Store_buffering_shows_its_weak_outcome_and_stops_when_asked()
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBuffering,
            new MachineRunOptions
            {
                Iterations = long.MaxValue,
                TimeLimit = MachineTests.Bound,
                StopWhen = MachineTests.IsWeak,
            }
        );
        Assert.Equal(MachineRunEnd.Stopped, run.End);
        Assert.True(MachineTests.CountOfWeak(run) > 0);
        Assert.Equal(run.Iterations, run.Histogram.Values.Sum());
        Assert.Equal(run.Iterations, run.RelevantTrials);
    }

    /// <summary>The twin of the test above: only the fences differ.</summary>
    [Fact]
    public void Store_buffering_with_fences_never_shows_it()
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBufferingWithFences,
            new MachineRunOptions { TimeLimit = TimeSpan.FromMinutes(2) }
        );
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.Equal(1_000_000, run.Histogram.Values.Sum());
        Assert.Equal(0, MachineTests.CountOfWeak(run));
    }

    [Fact]
    public void A_reader_that_waits_for_the_flag_always_finds_the_message()
    {
        MachineTests.RequireProcessors(2); // on one, each wait takes a time slice
        MachineRun run = MachineTests.Run(
            """
            X86_64 MP+spin
            { }
             P0            | P1            ;
             L:            | movl $7,(x)   ;
             movl (y),%eax | movl $1,(y)   ;
             cmpl $1,%eax  |               ;
             jne L         |               ;
             movl (x),%ebx |               ;
            forall (0:rbx=7)
            """,
            new MachineRunOptions { Iterations = 20_000, TimeLimit = TimeSpan.FromMinutes(1) }
        );
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.Equal([7UL], Assert.Single(run.Histogram).Key.Values.ToArray());
    }

    [Fact]
    public void Locked_increments_of_two_columns_are_never_lost_and_plain_ones_are()
    {
        MachineTests.RequireProcessors(2);
        const string Locked = """
            X86_64 INC
            { }
             P0           | P1           ;
             lock incl (x) | lock incl (x) ;
            exists (x=1)
            """;
        MachineRun locked = MachineTests.Run(
            Locked,
            new MachineRunOptions { Iterations = 100_000, TimeLimit = TimeSpan.FromMinutes(1) }
        );
        Assert.Equal([2UL], Assert.Single(locked.Histogram).Key.Values.ToArray());

        MachineRun plain = MachineTests.Run(
            Locked.Replace("lock ", ""),
            new MachineRunOptions
            {
                Iterations = long.MaxValue,
                TimeLimit = MachineTests.Bound,
                StopWhen = outcome => outcome.Values[0] == 1,
            }
        );
        Assert.Equal(MachineRunEnd.Stopped, plain.End);
    }

    [Fact]
    public void An_endless_loop_ends_with_the_time_limit_and_is_no_outcome()
    {
        MachineTests.RequireMachine();
        MachineRun run = MachineTests.Run(
            """
            X86_64 endless
            { }
             P0            | P1          ;
             L:            | movl $1,(y) ;
             movl (x),%eax |             ;
             cmpl $1,%eax  |             ;
             jne L         |             ;
            exists (0:rax=0)
            """,
            new MachineRunOptions { TimeLimit = TimeSpan.FromMilliseconds(300) }
        );
        Assert.Equal(MachineRunEnd.DidNotEnd, run.End);
        Assert.Empty(run.Histogram);
        Assert.Equal(0, run.Iterations);
        Assert.Contains(run.Remarks, remark => remark.Contains("did not end within the time limit of 0.3 s"));
    }

    [Fact]
    public void The_time_limit_ends_a_run_whose_iterations_end()
    {
        MachineTests.RequireMachine();
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBuffering,
            new MachineRunOptions { Iterations = long.MaxValue, TimeLimit = TimeSpan.FromMilliseconds(200) }
        );
        Assert.Equal(MachineRunEnd.TimeLimit, run.End);
        Assert.True(run.Iterations > 0);
        Assert.Equal(run.Iterations, run.Histogram.Values.Sum());
    }

    [Fact]
    public void A_canceled_run_ends_at_once_even_inside_an_endless_loop()
    {
        MachineTests.RequireMachine();
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        Assert.ThrowsAny<OperationCanceledException>(() =>
            MachineRunner.Run(
                MachineTests.Parse("X86_64 endless\n{ x=0; }\n P0 ;\n L: jmp L ;\nexists (x=0)\n"),
                new MachineRunOptions { TimeLimit = TimeSpan.FromHours(1) },
                cancellation.Token
            )
        );
    }

    [Theory]
    [InlineData(MachineMode.Rendezvous)]
    [InlineData(MachineMode.Perpetual)]
    public void A_membarrier_that_the_kernel_refuses_is_loud(MachineMode mode)
    {
        MachineTests.RequireProcessors(2);
        LitmusTest test = MachineTests.Parse(MachineTests.StoreBufferingWithMembarrier);
        var unknown = (MembarrierCommand)(1 << 20);
        LitmusThread thread = test.Threads[0];
        var refused = new LitmusTest
        {
            File = test.File,
            Architecture = test.Architecture,
            Name = test.Name,
            Description = test.Description,
            PropertyPositions = test.PropertyPositions,
            Aliases = test.Aliases,
            System = test.System,
            Properties = test.Properties,
            Variables = test.Variables,
            Threads =
            [
                new LitmusThread
                {
                    Id = thread.Id,
                    InitialRegisters = thread.InitialRegisters,
                    Labels = thread.Labels,
                    Instructions =
                    [
                        .. thread
                            .InstructionsAs<X86_64Instruction>()
                            .Select(instruction =>
                                instruction.Opcode == X86_64Opcode.Membarrier ? With(instruction, unknown) : instruction
                            ),
                    ],
                },
                test.Threads[1],
            ],
            Observables = test.Observables,
            Filter = test.Filter,
            Quantifier = test.Quantifier,
            Condition = test.Condition,
        };
        var error = Assert.Throws<MachineRunException>(() =>
            MachineRunner.Run(refused, new MachineRunOptions { Mode = mode }, TestContext.Current.CancellationToken)
        );
        Assert.Contains("-22, EINVAL", error.Message);
    }

    private static X86_64Instruction With(X86_64Instruction instruction, MembarrierCommand command) =>
        new()
        {
            Opcode = instruction.Opcode,
            Width = instruction.Width,
            SourceWidth = instruction.SourceWidth,
            Operands = instruction.Operands,
            Condition = instruction.Condition,
            Lock = instruction.Lock,
            Target = instruction.Target,
            Command = command,
            Position = instruction.Position,
            Text = instruction.Text,
        };
}
