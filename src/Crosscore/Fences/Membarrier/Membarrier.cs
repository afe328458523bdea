using static Crosscore.Linux.MembarrierCall;

namespace Crosscore;

/// <summary>
/// Makes the system call membarrier(2): every command, flag and registration of the kernel, checked where the ABI is
/// error-prone, and with no policy added. One thread makes the call and pays; the other threads keep their fast path
/// free of fences.
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
/// <see cref="Volatile.ReadBarrier"/> has that effect: it emits no instruction, and the JIT moves no access across it.
/// Two <see cref="Volatile"/> accesses alone are not enough (dotnet/runtime#133524).</para>
/// <para>"Process" means the address space: children made by fork start with its registrations, exec clears them, and a
/// task that shares the memory without being a thread (CLONE_VM) shares the registrations both ways.</para>
/// <para>Any thread may call any member. A failure throws <see cref="MembarrierException"/>, on every system and under
/// every sandbox; only <see cref="Supported"/> and <see cref="FindRegistered"/> never throw. No program can detect a
/// system that answers success without doing anything (Mystikos did so once), so the class promises no more than the
/// kernel keeps.</para>
/// <para><see cref="MachineGuarantees"/> detects what holds on this machine beyond the manual; docs/guarantees.md has
/// it for all systems.</para>
/// </remarks>
/// <example>
/// <code>
/// if (Membarrier.Supported.HasFlag(MembarrierCommands.PrivateExpedited))
/// {
///     Membarrier.Register(MembarrierRegistrations.PrivateExpedited); // once, early
///     Membarrier.PrivateExpedited(); // every running thread of the process has passed a full fence
/// }
/// </code>
/// </example>
public static class Membarrier
{
    internal static MembarrierSession Session { get; } = new(ThisKernel.Instance);

    /// <summary>
    /// Gets the commands that this kernel offers to this process; <see cref="MembarrierCommands.None"/> where the call
    /// is absent, refused or not made. An answer of the kernel is remembered, a refusal is not. Contains RSEQ also on
    /// Linux 5.10 to 5.16, where QUERY omits it. <see cref="Query"/> throws the reason where there is no command.
    /// </summary>
    public static MembarrierCommands Supported => Session.Supported;

    /// <summary>
    /// Finds the registrations that a successful call has proved. Registrations that other code made (.NET itself
    /// registers PRIVATE_EXPEDITED at start-up) are found by issuing the command, once each, which interrupts the CPUs
    /// that run siblings. A <see cref="MembarrierRegistrations.GlobalExpedited"/> that other code made cannot be proved
    /// and is not claimed; registering again costs next to nothing.
    /// </summary>
    /// <returns>The registrations; <see cref="MembarrierRegistrations.None"/> where the call is absent, refused or not
    /// made, and nothing was proved before.</returns>
    public static MembarrierRegistrations FindRegistered() => Session.FindRegistered();

    /// <summary>
    /// Gets the kernel's answer to MEMBARRIER_CMD_QUERY (Linux 4.3), unaltered. See <see cref="Supported"/> for what it
    /// omits.
    /// </summary>
    /// <exception cref="MembarrierException">The call is absent or refused, or is not made here.</exception>
    public static MembarrierCommands Query() => (MembarrierCommands)Session.Query("Membarrier.Query()");

    /// <summary>
    /// Gets the kernel's answer to MEMBARRIER_CMD_GET_REGISTRATIONS (Linux 6.3), unaltered. It contains too much: after
    /// registering SYNC_CORE or RSEQ alone it contains PRIVATE_EXPEDITED, which still fails, and it contains what
    /// another thread has not finished registering. Use <see cref="FindRegistered"/>.
    /// </summary>
    /// <exception cref="MembarrierException">The kernel is older, or the call is absent or refused, or is not made
    /// here.</exception>
    public static MembarrierRegistrations GetRegistrations() =>
        (MembarrierRegistrations)Session.GetRegistrations("Membarrier.GetRegistrations()");

    /// <summary>
    /// Registers this process; does nothing for what is known to be registered. Returns when every thread can use the
    /// commands, also if another thread registers through this class concurrently.
    /// </summary>
    /// <remarks>
    /// The first registration takes a few microseconds in a process with one thread, and 10 to 25 milliseconds once
    /// threads exist, because the kernel waits for an RCU grace period; .NET always has threads. Do it once, early, off
    /// the critical path. Nothing unregisters. If one of several is refused, those before it (in the order of their
    /// values) stay registered.
    /// </remarks>
    /// <param name="registrations">Any combination.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bit is no registration.</exception>
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
    /// Registers as <see cref="Register"/> does, for callers that can fall back: returns the failure instead of
    /// throwing it.
    /// </summary>
    /// <param name="registrations">Any combination.</param>
    /// <param name="failure">Why it failed, or <see cref="MembarrierFailure.None"/>.</param>
    /// <returns>Whether all of them are registered now.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A bit is no registration.</exception>
    public static bool TryRegister(MembarrierRegistrations registrations, out MembarrierFailure failure)
    {
        failure = Session.Register("Membarrier.TryRegister", registrations)?.Failure ?? MembarrierFailure.None;
        return failure == MembarrierFailure.None;
    }

    /// <summary>
    /// Calls MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14): before the call returns, every running thread of this
    /// process has executed a full memory barrier; a thread that is not running counts as having done so. The caller's
    /// own accesses are ordered too, as its siblings see them. Nothing is promised to other processes that share
    /// memory. Costs about a microsecond and one interrupt for each CPU that runs a sibling, isolated CPUs included.
    /// </summary>
    /// <exception cref="MembarrierException">Not registered (.NET normally has done that), or absent, refused, not made
    /// here.</exception>
    public static void PrivateExpedited() =>
        Session.Run("Membarrier.PrivateExpedited()", MEMBARRIER_CMD_PRIVATE_EXPEDITED);

    /// <summary>
    /// Calls MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE (Linux 4.16): as <see cref="PrivateExpedited"/>, and every
    /// running sibling has executed a core-serializing instruction before the call returns, so that none continues with
    /// instructions fetched before it.
    /// </summary>
    /// <remarks>
    /// The manual promises nothing for the caller; kernels from 5.10 on do serialize it (e45cdc71d1fa). The call
    /// flushes no instruction cache: where caches are not coherent (arm64), clean and invalidate them first.
    /// </remarks>
    /// <exception cref="MembarrierException">Not registered, or not offered here, or absent, refused, not made
    /// here.</exception>
    public static void SyncCore() => Session.Run("Membarrier.SyncCore()", MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);

    /// <summary>
    /// Calls MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ (Linux 5.10): restarts every restartable sequence that a sibling is
    /// inside of, so that none that began before the call commits after it. From Linux 5.10 to 6.17 a restart can be
    /// forgotten, unless 6eb350a22336 was back-ported (<see cref="MachinePromise.SiblingsSequenceRestart"/>). The
    /// manual promises no memory ordering for this command; released kernels provide it (2ecedd756908, in 5.10). The
    /// caller itself must not be inside a sequence: a system call there is an error.
    /// </summary>
    /// <exception cref="MembarrierException">Not registered, or not offered here, or absent, refused, not made
    /// here.</exception>
    public static void RestartSequences() =>
        Session.Run("Membarrier.RestartSequences()", MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);

    /// <summary>
    /// Restarts, by MEMBARRIER_CMD_FLAG_CPU, only the sequence that a thread of this process is running on one CPU, if
    /// any.
    /// </summary>
    /// <remarks>
    /// The kernel does not check the number: it takes a negative one for all CPUs and accepts an offline CPU silently,
    /// so this member checks it before the call. A CPU that goes offline between check and call runs nothing, so
    /// nothing is lost then.
    /// </remarks>
    /// <param name="cpu">The number of a CPU that is online.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or no possible CPU of this machine. No
    /// call was made.</exception>
    /// <exception cref="ArgumentException">The CPU is not online. No call was made.</exception>
    /// <exception cref="MembarrierException">Not registered, or not offered here, or absent, refused, not made here; or
    /// the online CPUs cannot be read.</exception>
    public static void RestartSequences(int cpu) => Session.RunOn("Membarrier.RestartSequences(cpu)", cpu);

    /// <summary>
    /// Calls MEMBARRIER_CMD_GLOBAL (Linux 4.3): every thread of every process on the system passes through a state in
    /// which its accesses match program order. Needs no registration; takes several milliseconds (an RCU grace
    /// period).
    /// </summary>
    /// <exception cref="MembarrierException">Not offered (nohz_full is active), or absent, refused, not made
    /// here.</exception>
    public static void Global() => Session.Run("Membarrier.Global()", MEMBARRIER_CMD_GLOBAL);

    /// <summary>
    /// Calls MEMBARRIER_CMD_GLOBAL_EXPEDITED (Linux 4.16): a memory barrier on all running threads of all processes
    /// that registered to receive it with <see cref="MembarrierRegistrations.GlobalExpedited"/>. The caller needs no
    /// registration. From Linux 5.4 to the newest kernel (7.3.4) the promise is not kept: the kernel skips a CPU that
    /// idled with the address space while the process registered, and from 5.11 on also a CPU on which a thread of the
    /// process has exited, until that CPU runs another process (docs/guarantees.md). There use
    /// <see cref="PrivateExpedited"/> within a process and <see cref="Global"/> between processes.
    /// </summary>
    /// <exception cref="MembarrierException">Not offered here, or absent, refused, not made here.</exception>
    public static void GlobalExpedited() =>
        Session.Run("Membarrier.GlobalExpedited()", MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}
