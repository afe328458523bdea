using System.Runtime.InteropServices;
using Crosscore.Code;
using static Crosscore.GuaranteeAnswer;

namespace Crosscore;

/// <summary>
/// From what a machine answers to what it promises. Pure. Three kinds of evidence are kept apart: what a document says
/// holds for every system that offers the command; what the system was asked is settled by its answer; the rest follows
/// from the code of the release that the system claims to run, and only if the claim is believable.
/// </summary>
internal static class GuaranteeTable
{
    private const string Manual = "membarrier(2), DESCRIPTION";

    private static readonly Dictionary<MachinePromise, Line> Lines = new()
    {
        [MachinePromise.SiblingsMemoryBarrier] = new(
            MembarrierCommands.PrivateExpedited,
            "PRIVATE_EXPEDITED is a full memory barrier on every running sibling",
            _ => Evidence.Documented(Yes, $"{Manual}, PRIVATE_EXPEDITED, since 4.14")
        ),
        [MachinePromise.CallerMemoryBarrier] = new(
            MembarrierCommands.PrivateExpedited,
            "PRIVATE_EXPEDITED orders the caller's accesses, as its siblings see them",
            _ => Evidence.Documented(Yes, $"{Manual}, the table of pairs, since 4.14")
        ),
        [MachinePromise.CallerMemoryBarrierForOtherProcesses] = new(
            MembarrierCommands.PrivateExpedited,
            "PRIVATE_EXPEDITED orders the caller's accesses, as other processes see them",
            _ =>
                Evidence.Documented(
                    No,
                    $"{Manual}: only for threads of the same process; "
                        + "from 5.4 the call returns at once when there is one thread"
                )
        ),
        [MachinePromise.SiblingsCoreSerialization] = new(
            MembarrierCommands.PrivateExpeditedSyncCore,
            "SYNC_CORE serializes the core of every running sibling",
            KernelPromises.SiblingsCoreSerialization
        ),
        [MachinePromise.CallerCoreSerialization] = new(
            MembarrierCommands.PrivateExpeditedSyncCore,
            "SYNC_CORE serializes the caller's core too",
            KernelPromises.CallerCoreSerialization
        ),
        [MachinePromise.InstructionCacheCoherence] = new(
            MembarrierCommands.None,
            "instruction caches follow stores to code without a flush",
            facts => CacheCoherence(facts.Architecture)
        ),
        [MachinePromise.SiblingsSequenceRestart] = new(
            MembarrierCommands.PrivateExpeditedRseq,
            "RSEQ restarts the sequences that siblings are in, on all CPUs or on one",
            KernelPromises.SequenceRestart
        ),
        [MachinePromise.SequenceRestartMemoryBarrier] = new(
            MembarrierCommands.PrivateExpeditedRseq,
            "RSEQ is a full memory barrier as well",
            KernelPromises.SequenceRestartMemoryBarrier
        ),
        [MachinePromise.GlobalMemoryBarrier] = new(
            MembarrierCommands.Global,
            "GLOBAL orders every thread of the system",
            _ => Evidence.Documented(Yes, $"{Manual}, GLOBAL, since 4.3; takes milliseconds")
        ),
        [MachinePromise.RegisteredReceiversMemoryBarrier] = new(
            MembarrierCommands.GlobalExpedited,
            "GLOBAL_EXPEDITED is a full memory barrier on the registered processes",
            KernelPromises.RegisteredReceivers
        ),
        [MachinePromise.PrivateExpeditedIsRegistered] = new(
            MembarrierCommands.PrivateExpedited,
            "PRIVATE_EXPEDITED is registered in this process already",
            facts =>
                facts.Registered.HasFlag(MembarrierRegistrations.PrivateExpedited)
                    ? Evidence.Probed(Yes, "PRIVATE_EXPEDITED answered 0 (.NET registers it at start-up)")
                    : Evidence.Probed(No, "PRIVATE_EXPEDITED is not registered: call Membarrier.Register once")
        ),
        [MachinePromise.IsolatedCpusAreReached] = new(
            MembarrierCommands.PrivateExpedited,
            "expedited commands reach isolated and nohz_full CPUs, interrupting them",
            KernelPromises.IsolatedCpus
        ),
        [MachinePromise.IndependenceFromOtherProcesses] = new(
            MembarrierCommands.PrivateExpedited,
            "no other process can delay an expedited command",
            KernelPromises.Independence
        ),
        [MachinePromise.OwnCoreSerialization] = new(
            MembarrierCommands.None,
            "CoreSerialization.Self serializes the caller's core",
            OwnCore
        ),
        [MachinePromise.AllThreadsCoreSerialization] = new(
            MembarrierCommands.None,
            "CoreSerialization.AllThreads (strict) serializes every core that runs the process, the caller's too",
            AllThreads
        ),
        [MachinePromise.LightFenceIsFree] = new(
            MembarrierCommands.None,
            "a process-wide barrier stands behind AsymmetricFence; its light side pays nothing",
            facts => LightFence(facts.Fence)
        ),
    };

    /// <summary>One line for each <see cref="MachinePromise"/>, in their order.</summary>
    public static IReadOnlyList<MachineGuarantee> Decide(MachineFacts facts) =>
        [.. Enum.GetValues<MachinePromise>().Select(promise => Decide(promise, facts))];

    private static MachineGuarantee Decide(MachinePromise promise, MachineFacts facts)
    {
        Line line = Lines[promise];
        Evidence evidence = FindObstacle(line.Command, facts) ?? line.Answer(facts);
        return new MachineGuarantee(promise, evidence.Holds, evidence.Basis, line.What, evidence.Source);
    }

    /// <summary>
    /// The answer where the command itself is unavailable, whatever it would promise; otherwise null.
    /// </summary>
    private static Evidence? FindObstacle(MembarrierCommands command, MachineFacts facts)
    {
        if (command == MembarrierCommands.None || facts.Offers(command))
        {
            return null;
        }

        return facts.Access switch
        {
            MembarrierFailure.WrongPlatform => Evidence.Documented(
                No,
                "membarrier(2) is made on Linux on x86-64 and arm64 only"
            ),
            MembarrierFailure.UnsafeToCall => Evidence.Documented(
                No,
                "Android 9 and older kill a process that calls membarrier(2): dotnet/runtime#92196"
            ),
            MembarrierFailure.Absent => Evidence.Probed(
                No,
                "QUERY answered ENOSYS: no membarrier(2) in this kernel, or a sandbox hides it"
            ),
            MembarrierFailure.Refused => Evidence.Probed(
                No,
                "QUERY answered EPERM: a sandbox (seccomp) forbids membarrier(2)"
            ),
            not MembarrierFailure.None => Evidence.Probed(Unknown, $"QUERY failed: {facts.Access}; ask again"),
            _ when !facts.Supported.HasFlag(command) => Evidence.Probed(No, $"this kernel does not offer {command}"),
            _ => facts.Trials![command] switch
            {
                var failure and (MembarrierFailure.OutOfMemory or MembarrierFailure.Unexpected) => Evidence.Probed(
                    Unknown,
                    $"QUERY offers {command}, and the trial of it failed ({failure}); ask again"
                ),
                var failure => Evidence.Probed(
                    No,
                    $"QUERY offers {command}, and it is refused when it is tried ({failure}): "
                        + "a sandbox lets QUERY pass only"
                ),
            },
        };
    }

    private static Evidence CacheCoherence(Architecture architecture) =>
        architecture switch
        {
            Architecture.X64 => Evidence.Documented(Yes, "Intel SDM vol. 3, 11.6; AMD APM vol. 2, 7.6.1"),
            Architecture.Arm64 => Evidence.Documented(
                No,
                "Arm ARM: clean and invalidate, unless CTR_EL0.IDC and .DIC spare it; membarrier(2) touches no cache"
            ),
            _ => Evidence.Documented(Unknown, $"not known to this library for {architecture}"),
        };

    private static Evidence OwnCore(MachineFacts facts) =>
        facts.Architecture switch
        {
            _ when facts.Access == MembarrierFailure.WrongPlatform => Evidence.Documented(
                No,
                "the instruction is installed on Linux on x86-64 and arm64 only"
            ),
            _ when facts.Self is { } failure => OfTrial(failure),
            Architecture.X64 => Evidence.Documented(
                Yes,
                "Intel SDM vol. 3, 9.3; AMD APM vol. 2, 7.6.4: SERIALIZE, IRET and CPUID serialize"
            ),
            Architecture.Arm64 => Evidence.Documented(Yes, "Arm ARM, B2.7: ISB is a context synchronization event"),
            _ => Evidence.Documented(No, $"not known to this library for {facts.Architecture}"),
        };

    private static Evidence AllThreads(MachineFacts facts) =>
        SerializationChoice.Decide(facts, CodeMode.Strict) switch
        {
            { Way: not SerializationWay.None } when facts.AllThreads is { } failure => OfTrial(failure),
            { Way: SerializationWay.SyncCoreAndSelf } => Evidence.Documented(
                Yes,
                $"{Manual}, SYNC_CORE for the siblings; a separate instruction for the caller"
            ),
            { Way: SerializationWay.EveryCpu } choice => Evidence.Documented(
                Yes,
                $"sched_setaffinity(2): a thread visits every CPU and serializes there; {choice.Reason}"
            ),
            var choice when facts.Release is null && facts.Access != MembarrierFailure.WrongPlatform => Evidence.Probed(
                Unknown,
                choice.Reason
            ),
            var choice => Evidence.Probed(No, choice.Reason),
        };

    private static Evidence OfTrial(TrialFailure failure) =>
        Evidence.Probed(failure.IsTemporary ? Unknown : No, failure.Reason);

    private static Evidence LightFence(FenceDecision? fence) =>
        fence switch
        {
            null => Evidence.Probed(Unknown, "the mode was not asked for"),
            { Error: { } error } => Evidence.Probed(No, error),
            { Mode: AsymmetricFenceMode.Symmetric } => Evidence.Probed(
                No,
                $"both sides are full fences: {fence.Reason}"
            ),
            { Mode: AsymmetricFenceMode.PageProtection } => Evidence.ByKernelVersion(Yes, fence.Reason),
            _ => Evidence.Documented(Yes, fence.Reason),
        };

    /// <param name="Command">The command that makes the promise; none where it does not rest on membarrier(2).</param>
    /// <param name="What">The promise in words.</param>
    /// <param name="Answer">Whether the promise holds where the command can be used.</param>
    private sealed record Line(MembarrierCommands Command, string What, Func<MachineFacts, Evidence> Answer);
}
