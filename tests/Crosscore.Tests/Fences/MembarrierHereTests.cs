using Crosscore.Linux;
using Crosscore.Tests.Raw;
using static Crosscore.Linux.MembarrierCall;

namespace Crosscore.Tests.Fences;

/// <summary>The public face on the machine at hand.</summary>
public sealed class MembarrierHereTests
{
    [Fact]
    public void Each_command_that_is_supported_succeeds_once_registered()
    {
        Machine.Needs(FakeKernel.Linux510);
        Membarrier.Register(
            MembarrierRegistrations.GlobalExpedited
                | MembarrierRegistrations.PrivateExpedited
                | MembarrierRegistrations.SyncCore
                | MembarrierRegistrations.RestartSequences
        );
        Membarrier.Global();
        Membarrier.GlobalExpedited();
        Membarrier.PrivateExpedited();
        Membarrier.SyncCore();
        Membarrier.RestartSequences();
        Membarrier.RestartSequences(0);

        Assert.Equal(
            MembarrierRegistrations.GlobalExpedited
                | MembarrierRegistrations.PrivateExpedited
                | MembarrierRegistrations.SyncCore
                | MembarrierRegistrations.RestartSequences,
            Membarrier.FindRegistered()
        );
        Assert.True(Membarrier.TryRegister(MembarrierRegistrations.SyncCore, out MembarrierFailure failure));
        Assert.Equal(MembarrierFailure.None, failure);
    }

    [Fact]
    public void What_is_registered_here_the_kernel_reports_too()
    {
        Machine.Needs(MembarrierCommands.GetRegistrations);
        Membarrier.Register(MembarrierRegistrations.GlobalExpedited);
        MembarrierRegistrations registered = Membarrier.FindRegistered();

        Assert.True(registered.HasFlag(MembarrierRegistrations.GlobalExpedited));
        Assert.Equal(registered, Membarrier.GetRegistrations() & registered);
        Assert.Equal((int)Membarrier.GetRegistrations(), MembarrierCall.Invoke(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0));
    }

    [Fact]
    public void The_CPUs_of_this_machine_are_accepted_and_the_one_after_them_is_not()
    {
        Machine.Needs(MembarrierCommands.PrivateExpeditedRseq);
        Membarrier.Register(MembarrierRegistrations.RestartSequences);
        string possible = File.ReadAllText("/sys/devices/system/cpu/possible").Trim();
        int last = int.Parse(possible.Split('-', ',')[^1]);
        string online = File.ReadAllText("/sys/devices/system/cpu/online").Trim();
        for (int cpu = 0; cpu <= last; cpu++)
        {
            if (CpuList.Contains(online, cpu))
            {
                Membarrier.RestartSequences(cpu);
            }
        }

        _ = Assert.Throws<ArgumentOutOfRangeException>(() => Membarrier.RestartSequences(last + 1));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => Membarrier.RestartSequences(-1));
    }
}
