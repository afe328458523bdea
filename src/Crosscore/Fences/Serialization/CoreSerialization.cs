using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Sealing;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// Serializes cores, so that they discard the instructions they fetched before. Call it between changing code and
/// executing it, where a core may have fetched from there already.
/// </summary>
/// <remarks>
/// <para>A core-serializing instruction waits until the stores before it have reached memory, and the core fetches what
/// follows it anew (Intel SDM vol. 3, 9.3; AMD APM vol. 2, 7.6.4; Arm ARM, B2.7). It flushes no cache: on arm64, clean
/// and invalidate first.</para>
/// <para>Every core that may run the changed code must execute it, including the one that changed it if it runs the
/// code at another address than it wrote it to. <see cref="Self"/> serializes the caller's core,
/// <see cref="AllThreads"/> those of all threads of the process.</para>
/// </remarks>
public static unsafe class CoreSerialization
{
    private static readonly Lock Installing = new(); // held by the thread that installs the instruction
    private static readonly Action SelfAction = Self;
    private static nint s_instruction; // its address; 0 until it is installed, and a refusal is not remembered
    private static KernelFacts? s_facts; // null until the kernel has answered all questions

    /// <summary>
    /// Serializes the core that the calling thread runs on. Takes some 50 ns and no system call; the first call
    /// installs the instruction.
    /// </summary>
    /// <remarks>
    /// A thread that is moved to another core executes what that core has fetched
    /// (litmus/code/Self.ThenMoved.litmus). <see cref="AllThreads"/> serializes all cores.
    /// </remarks>
    /// <exception cref="PlatformNotSupportedException">The system is not Linux on x86-64 or arm64.</exception>
    /// <exception cref="CodeException">The first call could not install the instruction.</exception>
    public static void Self()
    {
        // SAFETY: the address is that of a complete function of no arguments, installed below and never unmapped; it
        // changes only registers that a call may change.
        ((delegate* unmanaged<void>)Instruction())();
    }

    /// <summary>
    /// Serializes the core of every thread of this process, including the caller's, before the call returns; a thread
    /// that is not running executes a core-serializing instruction before it runs again. A full memory barrier for all
    /// of them as well.
    /// </summary>
    /// <remarks>
    /// <para>Siblings are serialized by SYNC_CORE of membarrier(2), which promises that, and the caller by
    /// <see cref="Self"/> after it. It costs about one interrupt for each CPU that runs a sibling. The first call
    /// registers the process, which takes 10 to 25 ms.</para>
    /// <para>Where SYNC_CORE does not keep its promise (x86-64 before Linux 5.10) or is absent, strict mode sends a
    /// thread to every CPU in turn. That needs sched_setaffinity(2) and the lists in /sys and /proc, takes some hundred
    /// microseconds per CPU, and waits for real-time threads. The caller itself is not moved. Where that is impossible
    /// too, the call is refused; a refusal is not remembered. In <see cref="CodeMode.Measured"/> mode SYNC_CORE is
    /// relied on wherever it is offered.</para>
    /// <para><see cref="MachineGuarantees"/> says which of it holds here
    /// (<see cref="MachinePromise.OwnCoreSerialization"/>,
    /// <see cref="MachinePromise.AllThreadsCoreSerialization"/>).</para>
    /// </remarks>
    /// <param name="mode">Which guarantees to rely on: documented ones, or measured behavior.</param>
    /// <exception cref="ArgumentOutOfRangeException">The mode is no value of the enumeration.</exception>
    /// <exception cref="MembarrierException">Serialization cannot be promised here, or the kernel refused; nothing is
    /// promised then. No thread is left on a CPU where it may not run, and the next call retries.</exception>
    /// <exception cref="PlatformNotSupportedException">The system is not Linux on x86-64 or arm64.</exception>
    /// <exception cref="CodeException">The first call could not install the instruction.</exception>
    public static void AllThreads(CodeMode mode = CodeMode.Strict)
    {
        ThrowIfUnsupported(
            OperatingSystem.IsLinux() || OperatingSystem.IsAndroid(),
            RuntimeInformation.ProcessArchitecture
        );
        if (mode is not (CodeMode.Strict or CodeMode.Measured))
        {
            throw new ArgumentOutOfRangeException(nameof(mode), mode, "Use a value of CodeMode.");
        }

        KernelFacts facts = Facts();
        SerializationChoice choice = SerializationChoice.Decide(facts, mode);
        switch (choice.Way)
        {
            case SerializationWay.SyncCoreAndSelf:
                Membarrier.Register(MembarrierRegistrations.SyncCore);
                Membarrier.SyncCore();
                Self();
                break;
            case SerializationWay.EveryCpu:
                VisitEveryCpu(choice.Reason);
                break;
            default:
                throw Refusal(facts, choice.Reason);
        }
    }

    /// <summary>
    /// Does in advance what the first <see cref="AllThreads"/> would do: installs the instruction and registers the
    /// process. Called where a refusal is still harmless.
    /// </summary>
    internal static void Prepare(CodeMode mode)
    {
        _ = Instruction();
        KernelFacts facts = Facts();
        SerializationChoice choice = SerializationChoice.Decide(facts, mode);
        if (choice.Way == SerializationWay.None)
        {
            throw Refusal(facts, choice.Reason);
        }

        if (choice.Way == SerializationWay.SyncCoreAndSelf)
        {
            Membarrier.Register(MembarrierRegistrations.SyncCore);
        }
    }

    /// <summary>
    /// Serializes every CPU by a thread that visits them. The stores before the call are in memory when the first core
    /// serializes: Self waits for them on the CPU they were made on, and the thread that visits the CPUs is started
    /// after that. Each visit is what a thread does in litmus/code/AllThreads.EveryCpu.litmus. The caller waits until
    /// all are made, so it continues on a core that was visited.
    /// </summary>
    internal static void VisitEveryCpu(string why)
    {
        Self();
        if (CpuVisitor.VisitAll(SelfAction) is { } failure)
        {
            throw Refusal(Facts(), $"{why}; instead a thread was to visit every CPU, but {failure}");
        }
    }

    /// <summary>Tries <see cref="Self"/>.</summary>
    /// <returns>Why it failed, or null.</returns>
    internal static TrialFailure? TrySelf() => Try(Self);

    /// <summary>
    /// Tries what <see cref="AllThreads"/> needs in strict mode. Where that is a visit to every CPU no visit is made,
    /// because it may wait long; only the calls that a visit needs are tried.
    /// </summary>
    /// <returns>Why it failed, or null.</returns>
    internal static TrialFailure? TryAllThreads() =>
        Try(() =>
        {
            if (SerializationChoice.Decide(Facts(), CodeMode.Strict) is not { Way: SerializationWay.EveryCpu } choice)
            {
                AllThreads();
            }
            else if (CpuVisitor.FindObstacle() is { } obstacle)
            {
                throw Refusal(Facts(), $"{choice.Reason}; instead a thread was to visit every CPU, but {obstacle}");
            }
            else
            {
                Self();
            }
        });

    /// <summary>Throws on systems for which the library has no instruction and no call.</summary>
    internal static void ThrowIfUnsupported(bool isLinux, Architecture architecture)
    {
        if (!isLinux || architecture is not (Architecture.X64 or Architecture.Arm64))
        {
            throw new PlatformNotSupportedException(
                $"CoreSerialization: {(isLinux ? "Linux" : RuntimeInformation.OSDescription)} on {architecture} is not "
                    + "supported, only Linux on x86-64 and arm64. Test for that first, for example by "
                    + "MachineGuarantees.Detect()."
            );
        }
    }

    private static TrialFailure? Try(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (PlatformNotSupportedException refusal)
        {
            return new(refusal.Message, IsTemporary: false);
        }
        catch (CodeException refusal)
        {
            return new(
                refusal.Message,
                refusal.Failure
                    is CodeFailure.TooManyFiles
                        or CodeFailure.OutOfMemory
                        or CodeFailure.TooManyMappings
                        or CodeFailure.Unexpected
            );
        }
        catch (MembarrierException refusal)
        {
            return new(
                refusal.Message,
                refusal.Failure is MembarrierFailure.OutOfMemory or MembarrierFailure.Unexpected
            );
        }
    }

    private static KernelFacts Facts()
    {
        if (Volatile.Read(ref s_facts) is { } known)
        {
            return known;
        }

        var facts = KernelFacts.Read();
        if (facts is { Access: MembarrierFailure.None, Release: not null })
        {
            Volatile.Write(ref s_facts, facts);
        }

        return facts;
    }

    private static MembarrierException Refusal(KernelFacts facts, string reason)
    {
        bool offered = facts.Supported.HasFlag(MembarrierCommands.PrivateExpeditedSyncCore);
        MembarrierFailure failure =
            facts.Access != MembarrierFailure.None ? facts.Access
            : offered ? MembarrierFailure.NotKept
            : MembarrierFailure.NotOffered;
        string cure = offered
            ? "Use Linux 5.10 or newer, or accept CodeMode.Measured."
            : "Allow in the sandbox membarrier, or else sched_setaffinity to every CPU together with /proc and /sys.";
        return new(
            "CoreSerialization.AllThreads: not every core can be made to discard old instructions here: "
                + $"{reason}. {cure}",
            failure,
            errno: 0
        );
    }

    /// <summary>
    /// Gets the address of the instruction, which the first call installs. A call that fails leaves nothing behind, and
    /// the next one retries.
    /// </summary>
    private static nint Instruction()
    {
        nint address = Volatile.Read(ref s_instruction);
        if (address != 0)
        {
            return address;
        }

        ThrowIfUnsupported(
            OperatingSystem.IsLinux() || OperatingSystem.IsAndroid(),
            RuntimeInformation.ProcessArchitecture
        );
        using var held = new HeldLock(Installing);
        if (s_instruction == 0)
        {
            Volatile.Write(ref s_instruction, Install());
        }

        return s_instruction;
    }

    /// <summary>
    /// Installs the instruction, not in the range that is reserved for code: code that reuses addresses of that range
    /// needs the instruction first. It is never unmapped, because any thread may be in it at any time.
    /// </summary>
    private static nint Install() => SealedFile.MapForGood(null, SerializingInstruction.ForThisMachine());
}
