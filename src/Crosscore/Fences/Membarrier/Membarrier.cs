using static Crosscore.Linux.MembarrierCall;

namespace Crosscore;

/// <summary>
/// membarrier(2) as it is: every command, flag and registration of the kernel, with the ABI's traps closed and no
/// policy added. One thread makes the call and pays; the other threads keep their fast path free of fences.
/// </summary>
/// <remarks>
/// <para>What is ordered, from membarrier(2), DESCRIPTION. A compiler barrier stands for a fast path without any fence
/// instruction:</para>
/// <list type="table">
/// <listheader><term>pair</term><description>ordered?</description></listheader>
/// <item><term>compiler barrier, compiler barrier</term><description>no</description></item>
/// <item><term>compiler barrier, full fence</term><description>no</description></item>
/// <item><term>full fence, full fence</term><description>yes</description></item>
/// <item><term>membarrier, any of the three</term><description>yes</description></item>
/// </list>
/// <para>The fast path needs its compiler barrier. C# has none by that name; with .NET 10 on x86-64,
/// <see cref="Volatile.ReadBarrier"/> is one in fact: it emits no instruction, and the JIT moves no access across it.
/// Two <see cref="Volatile"/> accesses alone are not enough (dotnet/runtime#133524).</para>
/// <para>"Process" means the address space: children made by fork start with its registrations, exec clears them, and a
/// task that shares the memory without being a thread (CLONE_VM) shares the registrations both ways.</para>
/// <para>Every member may be called from any thread. A failure throws <see cref="MembarrierException"/>, on every
/// system and under every sandbox; only <see cref="Supported"/> and <see cref="FindRegistered"/> never throw. A system
/// that answers success without doing anything cannot be detected by any program (Mystikos did so once); nothing here
/// can promise more than the kernel keeps.</para>
/// <para>What holds on this machine beyond the manual is told by <see cref="MachineGuarantees"/>; docs/guarantees.md
/// has it for all systems.</para>
/// </remarks>
public static class Membarrier
{
    internal static MembarrierSession Session { get; } = new(ThisKernel.Here);

    /// <summary>
    /// The commands that this kernel offers to this process; <see cref="MembarrierCommands.None"/> where the call is
    /// absent, refused or not made. Remembered once the kernel has told them; a refusal is not remembered. Contains
    /// RSEQ also on Linux 5.10 to 5.16, where QUERY forgets it. <see cref="Query"/> tells why there is nothing.
    /// </summary>
    public static MembarrierCommands Supported => Session.Supported;

    /// <summary>
    /// Finds the registrations that a successful call has proved. Those made by others (.NET itself registers
    /// PRIVATE_EXPEDITED at start-up) are found by issuing the command, once each, which interrupts the CPUs that run
    /// siblings. A <see cref="MembarrierRegistrations.GlobalExpedited"/> made by others cannot be
    /// proved and is not claimed; registering again costs next to nothing.
    /// </summary>
    /// <returns><see cref="MembarrierRegistrations.None"/> where the call is absent, refused or not made, and nothing
    /// was proved before.</returns>
    public static MembarrierRegistrations FindRegistered() => Session.FindRegistered();

    /// <summary>
    /// MEMBARRIER_CMD_QUERY (Linux 4.3): the kernel's answer, unaltered. See <see cref="Supported"/> for what it
    /// forgets.
    /// </summary>
    /// <exception cref="MembarrierException">The call is absent or refused, or is not made here.</exception>
    public static MembarrierCommands Query() => (MembarrierCommands)Session.Query("Membarrier.Query()");

    /// <summary>
    /// MEMBARRIER_CMD_GET_REGISTRATIONS (Linux 6.3): the kernel's answer, unaltered. It says more than is true: after
    /// registering SYNC_CORE or RSEQ alone it contains PRIVATE_EXPEDITED, which still fails, and it contains what
    /// another thread has not finished registering. Use <see cref="FindRegistered"/>.
    /// </summary>
    /// <exception cref="MembarrierException">The kernel is older, or the call is absent or refused, or is not made
    /// here.</exception>
    public static MembarrierRegistrations GetRegistrations() =>
        (MembarrierRegistrations)Session.GetRegistrations("Membarrier.GetRegistrations()");

    /// <summary>
    /// Registers this process; does nothing for what is known to be registered. Returns only when the commands are
    /// usable by every thread, also if another thread registers at the same time through this class.
    /// </summary>
    /// <remarks>
    /// The first registration takes a few microseconds in a process with one thread, and 10 to 25 milliseconds once
    /// threads exist, because the kernel waits for an RCU grace period; .NET always has threads. Do it once, early, off
    /// the critical path. There is no way to unregister. If one of several is refused, those before it (in the order of
    /// their values) stay registered.
    /// </remarks>
    /// <param name="registrations">Any combination.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bit that is no registration.</exception>
    /// <exception cref="MembarrierException">The kernel does not offer one of them, or the call is absent or refused,
    /// or is not made here.</exception>
    public static void Register(MembarrierRegistrations registrations)
    {
        if (Session.Register("Membarrier.Register", registrations) is { } refusal)
        {
            throw refusal;
        }
    }

    /// <summary>
    /// <see cref="Register"/> for callers who have another way: tells the failure instead of throwing it.
    /// </summary>
    /// <param name="registrations">Any combination.</param>
    /// <param name="failure">Why it failed, or <see cref="MembarrierFailure.None"/>.</param>
    /// <returns>Whether all of them are registered now.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A bit that is no registration.</exception>
    public static bool TryRegister(MembarrierRegistrations registrations, out MembarrierFailure failure)
    {
        failure = Session.Register("Membarrier.TryRegister", registrations)?.Failure ?? MembarrierFailure.None;
        return failure == MembarrierFailure.None;
    }

    /// <summary>
    /// MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14): before the call returns, every running thread of this process has
    /// executed a full memory barrier; a thread that is not running counts as having done so. The caller's own accesses
    /// are ordered too, as its siblings see them. Nothing is promised towards other processes that share memory. Costs
    /// about a microsecond and one interrupt for each CPU that runs a sibling, isolated CPUs included.
    /// </summary>
    /// <exception cref="MembarrierException">Not registered (.NET normally has done that), or absent, refused, not made
    /// here.</exception>
    public static void PrivateExpedited() =>
        Session.Run("Membarrier.PrivateExpedited()", MEMBARRIER_CMD_PRIVATE_EXPEDITED);

    /// <summary>
    /// MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE (Linux 4.16): as <see cref="PrivateExpedited"/>, and every running
    /// sibling has executed a core-serialising instruction before the call returns, so that none runs on with
    /// instructions fetched before it.
    /// </summary>
    /// <remarks>
    /// The manual promises nothing for the caller; kernels from 5.10 do serialise it (e45cdc71d1fa). It is no
    /// instruction-cache flush: where caches are not coherent (arm64), clean and invalidate them first.
    /// </remarks>
    /// <exception cref="MembarrierException">Not registered, or not offered here, or absent, refused, not made
    /// here.</exception>
    public static void SyncCore() => Session.Run("Membarrier.SyncCore()", MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);

    /// <summary>
    /// MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ (Linux 5.10): every restartable sequence that a sibling is in the middle
    /// of is restarted: none that began before the call commits after it. From Linux 5.10 to 6.17 a restart can be
    /// forgotten, unless 6eb350a22336 was back-ported (<see cref="MachinePromise.SiblingsSequenceRestart"/>). The
    /// manual promises no memory ordering for this command; released kernels give it (2ecedd756908, in 5.10). The
    /// caller itself must not be inside a sequence: a system call there is an error.
    /// </summary>
    /// <exception cref="MembarrierException">Not registered, or not offered here, or absent, refused, not made
    /// here.</exception>
    public static void RestartSequences() =>
        Session.Run("Membarrier.RestartSequences()", MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);

    /// <summary>
    /// The same with MEMBARRIER_CMD_FLAG_CPU: only the sequence, if any, that a thread of this process is running on
    /// one CPU.
    /// </summary>
    /// <remarks>
    /// The kernel does not check the number: it takes a negative one for all CPUs and accepts an offline one silently,
    /// so it is checked here, before the call. A CPU that goes offline between check and call runs nothing, so nothing
    /// is lost then.
    /// </remarks>
    /// <param name="cpu">The number of a CPU that is online.</param>
    /// <exception cref="ArgumentOutOfRangeException">Negative, or not a possible CPU of this machine. No call was
    /// made.</exception>
    /// <exception cref="ArgumentException">The CPU is not online. No call was made.</exception>
    /// <exception cref="MembarrierException">Not registered, or not offered here, or absent, refused, not made here; or
    /// the online CPUs cannot be read.</exception>
    public static void RestartSequences(int cpu) => Session.RunOn("Membarrier.RestartSequences(cpu)", cpu);

    /// <summary>
    /// MEMBARRIER_CMD_GLOBAL (Linux 4.3): every thread of every process on the system passes through a state in which
    /// its accesses match program order. Needs no registration; takes several milliseconds (an RCU grace period).
    /// </summary>
    /// <exception cref="MembarrierException">Not offered (nohz_full is active), or absent, refused, not made
    /// here.</exception>
    public static void Global() => Session.Run("Membarrier.Global()", MEMBARRIER_CMD_GLOBAL);

    /// <summary>
    /// MEMBARRIER_CMD_GLOBAL_EXPEDITED (Linux 4.16): a memory barrier on all running threads of all processes that
    /// registered to receive it with <see cref="MembarrierRegistrations.GlobalExpedited"/>. The caller needs no
    /// registration. From Linux 5.4 to the newest kernel (7.3.4) that is not kept: a CPU is passed over that idled with
    /// the address space while the process registered, and from 5.11 on one on which a thread of it has exited, until
    /// that CPU runs another process (docs/guarantees.md). There use <see cref="PrivateExpedited"/> within a process
    /// and <see cref="Global"/> between processes.
    /// </summary>
    /// <exception cref="MembarrierException">Not offered here, or absent, refused, not made here.</exception>
    public static void GlobalExpedited() =>
        Session.Run("Membarrier.GlobalExpedited()", MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}
