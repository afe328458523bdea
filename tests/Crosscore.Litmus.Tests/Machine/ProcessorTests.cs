using System.Runtime.InteropServices;
using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Machine;

namespace Crosscore.Litmus.Tests.Machine;

/// <summary>Where the threads run: on distinct processors of the allowed ones, and no other thread is moved.</summary>
public partial class ProcessorTests
{
    [Fact]
    public void Columns_run_on_distinct_allowed_processors_and_the_caller_stays_free()
    {
        MachineTests.RequireProcessors(2);
        IReadOnlyList<int> before = Processors.Allowed();
        MachineRun run = MachineTests.Run(MachineTests.StoreBuffering, new MachineRunOptions { Iterations = 1000 });
        Assert.Equal(2, run.Processors.Distinct().Count());
        Assert.All(run.Processors, processor => Assert.Contains(processor, before));
        Assert.False(run.Oversubscribed);
        Assert.Equal(before, Processors.Allowed());
    }

    [Fact]
    public void A_crew_does_its_work_on_the_processors_it_was_given()
    {
        MachineTests.RequireProcessors(2);
        int[] given = [.. Processors.Allowed().Reverse().Take(2)];
        int[] found = [-1, -1];
        using var crew = new PinnedCrew(given);
        for (int batch = 0; batch < 50; batch++)
        {
            crew.Begin(thread => found[thread] = CurrentProcessor());
            crew.Wait(Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken);
            Assert.Equal(given, found);
        }
    }

    [Fact]
    public void A_thread_that_cannot_be_bound_is_told()
    {
        MachineTests.RequireMachine();
        Assert.Throws<MachineRunException>(() => new PinnedCrew([8191]));
    }

    [Fact]
    public void Two_columns_on_one_allowed_processor_end_and_say_so()
    {
        MachineTests.RequireMachine();
        int last = Processors.Allowed()[^1];
        MachineRun? run = null;
        var confined = new Thread(() =>
        {
            Processors.PinCallingThread(last);
            run = MachineTests.Run(
                MachineTests.StoreBuffering,
                new MachineRunOptions { Iterations = 2000, TimeLimit = TimeSpan.FromMinutes(1) }
            );
        });
        confined.Start();
        confined.Join();
        Assert.NotNull(run);
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.Equal([last, last], run.Processors);
        Assert.True(run.Oversubscribed);
        Assert.Contains(run.Remarks, remark => remark.Contains("2 threads shared 1 processor"));
    }

    [Fact]
    public void More_columns_than_processors_end_and_say_so()
    {
        MachineTests.RequireMachine();
        int columns = Processors.Allowed().Count + 1;
        Assert.SkipWhen(columns > 64, "This machine has too many processors for a test with one column more.");
        string text = $$"""
            X86_64 many
            { }
            {{string.Join(" | ", Enumerable.Range(0, columns).Select(column => $"P{column}"))}} ;
            {{string.Join(" | ", Enumerable.Repeat("lock incl (x)", columns))}} ;
            exists (x=0)
            """;
        MachineRun run = MachineTests.Run(
            text,
            new MachineRunOptions { Iterations = 2000, TimeLimit = TimeSpan.FromMinutes(1) }
        );
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.True(run.Oversubscribed);
        Assert.Equal([(ulong)columns], Assert.Single(run.Histogram).Key.Values.ToArray());
    }

    [LibraryImport("libc", EntryPoint = "sched_getcpu")]
    private static partial int CurrentProcessor();
}
