using Crosscore.Linux;
using static Crosscore.Linux.MembarrierCall;

namespace Crosscore.Tests.Fences;

/// <summary>
/// A kernel that is not here: which commands it has, what QUERY admits, what a sandbox answers instead. It follows the
/// order of checks of kernel/sched/membarrier.c, which <see cref="KernelSelfTests"/> hold against the real one.
/// </summary>
internal sealed class FakeKernel(MembarrierCommands commands) : IMembarrierKernel
{
    public const MembarrierCommands Linux414 =
        MembarrierCommands.Global | MembarrierCommands.PrivateExpedited | MembarrierCommands.RegisterPrivateExpedited;

    public const MembarrierCommands GVisor =
        Linux414 | MembarrierCommands.GlobalExpedited | MembarrierCommands.RegisterGlobalExpedited;

    public const MembarrierCommands Linux416 =
        GVisor | MembarrierCommands.PrivateExpeditedSyncCore | MembarrierCommands.RegisterPrivateExpeditedSyncCore;

    public const MembarrierCommands Linux510 =
        Linux416 | MembarrierCommands.PrivateExpeditedRseq | MembarrierCommands.RegisterPrivateExpeditedRseq;

    public const MembarrierCommands Linux63 = Linux510 | MembarrierCommands.GetRegistrations;

    private readonly Lock _lock = new();
    private int _wanted;
    private int _ready;

    public MembarrierFailure Obstacle { get; init; }

    public string? PossibleCpus { get; init; } = "0-3";

    public string? OnlineCpus { get; init; } = "0-1,3";

    /// <summary>What QUERY leaves out.</summary>
    public MembarrierCommands Forgotten { get; init; }

    /// <summary>What a sandbox answers to a command, or 0 where it lets it pass.</summary>
    public Func<int, int> Sandbox { get; set; } = _ => 0;

    /// <summary>Every call made, in order.</summary>
    public List<(int Command, uint Flags, int Cpu)> Calls { get; } = [];

    /// <summary>The registrations that are finished.</summary>
    public int Ready => Volatile.Read(ref _ready);

    /// <summary>A registration that another thread has begun and is still waiting for.</summary>
    public void BeginRegistration(int registration) => _wanted |= registration;

    public void FinishRegistration(int registration) => _ready |= registration;

    public int Call(int command, uint flags, int cpu)
    {
        lock (_lock)
        {
            Calls.Add((command, flags, cpu));
        }

        if (Sandbox(command) is int errno and not 0)
        {
            return -errno;
        }

        if (command == MEMBARRIER_CMD_QUERY)
        {
            return (int)(commands & ~Forgotten);
        }

        if (
            !commands.HasFlag((MembarrierCommands)command)
            || (flags != 0 && command != MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)
        )
        {
            return -Errno.EINVAL;
        }

        switch (command)
        {
            case MEMBARRIER_CMD_GET_REGISTRATIONS:
                return _wanted | _ready;
            case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED or MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
                Register(command, command);
                return 0;
            case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE or MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ:
                Register(command | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, command);
                return 0;
            case MEMBARRIER_CMD_PRIVATE_EXPEDITED
            or MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
            or MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ:
                // The registration of a command is the next bit.
                return (Ready & (command << 1)) != 0 ? 0 : -Errno.EPERM;
            default:
                return 0;
        }
    }

    private void Register(int wanted, int ready)
    {
        _ = Interlocked.Or(ref _wanted, wanted);
        _ = Thread.Yield(); // The grace period: others run concurrently.
        _ = Interlocked.Or(ref _ready, ready);
    }
}
