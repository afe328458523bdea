using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>Which barriers restart a section in progress, counted: the one for its CPU always, others never.</summary>
public sealed class RestartTests
{
    public RestartTests()
    {
        Threads.NeedRestarts();
        Threads.NeedTwoCpus();
    }

    [Fact]
    public void The_barrier_for_its_CPU_restarts_every_section() =>
        Assert.Equal(Sizes.Barriers, Restarted(Membarrier.RestartSequences));

    [Fact]
    public void The_barrier_for_all_CPUs_restarts_every_section() =>
        Assert.Equal(Sizes.Barriers, Restarted(_ => Membarrier.RestartSequences()));

    [Fact]
    public void Stopping_a_slot_restarts_every_section_of_its_CPU()
    {
        var area = new PerCpuArea(sizeof(long));
        Assert.Equal(
            Sizes.Barriers,
            Restarted(cpu =>
            {
                using StoppedSlot slot = area.Stop(cpu);
            })
        );
    }

    [Fact]
    public void The_barrier_for_another_CPU_restarts_none() =>
        Assert.Equal(0, Restarted(cpu => Membarrier.RestartSequences(Threads.Cpus.First(other => other != cpu))));

    [Fact]
    public void A_plain_barrier_restarts_none() => Assert.Equal(0, Restarted(_ => Membarrier.PrivateExpedited()));

    /// <summary>
    /// Orders a number of barriers while a section turns on another CPU, and counts those around which it began anew.
    /// The scheduler restarts it too, whenever it takes the CPU away, and says so: a barrier around which that happened
    /// shows nothing, and another is ordered instead.
    /// </summary>
    private static int Restarted(Action<int> barrier)
    {
        int there = Threads.Cpus[1];
        Threads.Place(0, Threads.Cpus[0]);
        try
        {
            using var section = new SpinSection(there);
            int restarted = 0;
            int undisturbed = 0;
            while (undisturbed < Sizes.Barriers)
            {
                long arrivals = section.Arrivals;

                // A turn that is seen after that was taken after the last arrival, so the restart that an arrival
                // causes is counted already.
                section.WaitForTurn();
                long restarts = section.Restarts;
                barrier(there);
                section.WaitForTurn();
                long after = section.Restarts;
                if (section.Arrivals == arrivals)
                {
                    undisturbed++;
                    restarted += after != restarts ? 1 : 0;
                }
            }

            return restarted;
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
        }
    }
}
