using System.Runtime.InteropServices;
using Crosscore.Linux;
using Crosscore.PerCpu;

namespace Crosscore.Tests.PerCpu;

/// <summary>What is decided about the area, on this system and on others.</summary>
public sealed class RseqAreaTests
{
    /// <summary>glibc 2.36 as of Debian 12 on Linux 6.18.</summary>
    private static readonly RseqFacts Debian12 = new()
    {
        Linux = true,
        Architecture = Architecture.X64,
        Offset = 2336,
        Size = 20,
        FeatureSize = 28,
        CpuId = 1,
        Probe = -Errno.EBUSY,
    };

    [Fact]
    public void An_area_that_the_kernel_confirms_is_available_with_its_concurrency_id()
    {
        RseqArea area = RseqArea.Decide(Debian12);
        Assert.Equal(RestartableSequencesState.Available, area.State);
        Assert.Equal((2336, 20u, 28u), (area.Offset, area.Size, area.FeatureSize));
        Assert.True(area.ConcurrencyIdTrusted);
    }

    [Theory]
    [InlineData(20u, 0u, -Errno.EBUSY, false)] // Linux before 6.3 does not say what it fills
    [InlineData(20u, 24u, -Errno.EBUSY, false)] // node_id only
    [InlineData(20u, 28u, -Errno.EINVAL, false)] // another length is registered
    [InlineData(20u, 28u, -Errno.EPERM, false)] // a sandbox keeps the kernel from answering
    [InlineData(28u, 28u, -Errno.EPERM, true)] // glibc itself vouches for the field
    [InlineData(32u, 32u, -Errno.EINVAL, true)]
    [InlineData(32u, 20u, -Errno.EBUSY, false)] // glibc 2.35 gave the size of its structure
    public void The_concurrency_id_is_trusted_only_where_glibc_or_the_kernel_vouches_for_it(
        uint size,
        uint featureSize,
        int probe,
        bool trusted
    )
    {
        RseqArea area = RseqArea.Decide(Debian12 with { Size = size, FeatureSize = featureSize, Probe = probe });
        Assert.Equal(RestartableSequencesState.Available, area.State);
        Assert.Equal(trusted, area.ConcurrencyIdTrusted);
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        AssertMissing(default, RestartableSequencesState.WrongPlatform, "Linux");
        AssertMissing(
            Debian12 with
            {
                Architecture = Architecture.Arm64,
            },
            RestartableSequencesState.WrongArchitecture,
            "Arm64"
        );
        AssertMissing(Debian12 with { Offset = null, Size = null }, RestartableSequencesState.NoArea, "musl");
        AssertMissing(Debian12 with { Size = 0 }, RestartableSequencesState.NotRegistered, "glibc.pthread.rseq=0");
        AssertMissing(Debian12 with { CpuId = -1 }, RestartableSequencesState.NotRegistered, "cpu_id is -1");
        AssertMissing(
            Debian12 with
            {
                CodeRefusal = "SELinux.",
            },
            RestartableSequencesState.NoExecutableMemory,
            "SELinux."
        );
    }

    /// <summary>What another moment, or another thread, may answer differently is no answer for the process.</summary>
    [Fact]
    public void Only_what_cannot_change_is_remembered()
    {
        Assert.True(RseqArea.Decide(Debian12).IsFinal);
        Assert.True(RseqArea.Decide(default).IsFinal);
        Assert.True(RseqArea.Decide(Debian12 with { Size = 0 }).IsFinal);
        Assert.True(RseqArea.Decide(Debian12 with { Probe = -Errno.EINVAL }).IsFinal);
        Assert.True(RseqArea.Decide(Debian12 with { FeatureSize = 20, Probe = -Errno.EPERM }).IsFinal);
        Assert.False(RseqArea.Decide(Debian12 with { CodeRefusal = "EMFILE" }).IsFinal);
        Assert.False(RseqArea.Decide(Debian12 with { CpuId = -1 }).IsFinal); // this thread's
        Assert.False(RseqArea.Decide(Debian12 with { Probe = -Errno.EPERM }).IsFinal);
    }

    [Fact]
    public async Task Every_kind_of_managed_thread_knows_its_CPU()
    {
        Threads.NeedSections();
        AssertPlaced();
        Threads.Run(1, _ => AssertPlaced());
        await Task.Run(AssertPlaced, TestContext.Current.CancellationToken);
        Assert.InRange(RestartableSequences.CpuSlots, Threads.Cpus.Max() + 1, 8192);

        static void AssertPlaced()
        {
            foreach (int cpu in Threads.Cpus)
            {
                Threads.Place(0, cpu);
                int seen = RestartableSequences.CurrentCpu();
                Threads.Place(0, Threads.Cpus);
                Assert.Equal(cpu, seen);
            }
        }
    }

    [Fact]
    public void The_concurrency_id_is_that_of_a_slot()
    {
        Assert.SkipUnless(RestartableSequences.ConcurrencyIdTrusted, "The kernel keeps no concurrency id here.");
        Assert.True(RestartableSequences.TryGetConcurrencyId(out int id));
        Assert.InRange(id, 0, RestartableSequences.CpuSlots - 1);
    }

    private static void AssertMissing(RseqFacts facts, RestartableSequencesState state, string word)
    {
        RseqArea area = RseqArea.Decide(facts);
        Assert.Equal(state, area.State);
        Assert.Contains(word, area.Detail, StringComparison.Ordinal);
        Assert.Equal((0, 0u, false), (area.Offset, area.Size, area.ConcurrencyIdTrusted));
    }
}
