using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>How often <see cref="PerCpuSection.Run"/> executes a section.</summary>
public sealed class PerCpuSectionTests
{
    /// <summary>
    /// A section that stores before its commit what decides where it looks: executed once it leaves, because the offset
    /// is outside of the slot; executed a second time it would find its own store and commit.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_section_that_leaves_because_of_an_offset_is_not_executed_again(bool useSections)
    {
        Assert.SkipUnless(!useSections || RestartableSequences.CanRestart, "Needs sections and their barrier.");
        var area = new PerCpuArea(32, PerCpuIndex.Cpu, useSections, Membarrier.Session, RestartableSequences.CpuSlots);
        SectionBuilder writing = area.NewSection();
        SectionValue offset = writing.Load(0);
        writing.Store(0, writing.ThisSlot());
        writing.StoreAt(offset, offset, plus: 8);
        writing.CommitStore(24, writing.Constant(1));
        PerCpuSection section = writing.Build();
        for (int slot = 0; slot < area.SlotCount; slot++)
        {
            using StoppedSlot stopped = area.Stop(slot);
            stopped.Words[0] = 1 << 20;
        }

        Threads.Run(
            1,
            _ =>
            {
                int cpu = Threads.Cpus[0];
                Threads.Place(0, cpu);
                Assert.Contains(
                    "outside",
                    Assert.Throws<InvalidOperationException>(() => section.Run(area)).Message,
                    StringComparison.Ordinal
                );
                Assert.Equal(0, area.Read(cpu, 24));
            }
        );
    }
}
