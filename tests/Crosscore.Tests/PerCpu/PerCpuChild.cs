using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Uses everything of Crosscore.PerCpu in a separate process, and prints what there is and what came out: one line
/// each, name, tab, value.
/// </summary>
internal static class PerCpuChild
{
    public static void Run()
    {
        Print(nameof(RestartableSequences.State), RestartableSequences.State);
        Print(nameof(RestartableSequences.Explanation), RestartableSequences.Explanation);
        Print(nameof(RestartableSequences.Barrier), RestartableSequences.Barrier);
        Print(nameof(RestartableSequences.CanRestart), RestartableSequences.CanRestart);
        Print(nameof(RestartableSequences.ConcurrencyIdTrusted), RestartableSequences.ConcurrencyIdTrusted);
        Print("Cpu", RestartableSequences.CurrentCpu() >= 0);
        Print("AreaIsNone", RseqArea.Here.Size == 0);

        var counter = new PerCpuCounter();
        var list = new PerCpuFreeList();
        var buffer = new PerCpuBuffer<long>(100);
        var sections = new PerCpuReadDomain();
        var area = new PerCpuArea(8);
        SectionBuilder writing = area.NewSection();
        writing.CommitAdd(0, writing.Argument(0));
        PerCpuSection add = writing.Build();
        using var pool = new PerCpuBlockPool(64);
        Threads.Run(
            4,
            number =>
            {
                for (int i = 0; i < 10_000; i++)
                {
                    using PerCpuReadSection reader = sections.EnterReadSection();
                    counter.Increment();
                    _ = buffer.Append(i);
                    _ = add.Run(area, 1);
                    nint block = pool.Rent();
                    list.Push(block);
                    if (list.TryPop(out block) || list.TrySteal(out block, out int _))
                    {
                        pool.Return(block);
                    }
                }
            }
        );
        sections.Synchronize();
        long taken = 0;
        for (int slot = 0; slot < area.SlotCount; slot++)
        {
            using StoppedSlot stopped = area.Stop(slot);
            taken += stopped.Words[0];
        }

        Print(
            "Sections",
            $"{counter.UsesSections} {list.UsesSections} {buffer.UsesSections} "
                + $"{sections.UsesSections} {area.UsesSections} {pool.UsesSections}"
        );
        Print("Sum", counter.Sum());
        Print("Records", buffer.Drain((_, _) => { }) + buffer.Lost);
        Print("Taken", taken);
    }

    private static void Print(string name, object value) => Console.WriteLine($"{name}\t{value}");
}
