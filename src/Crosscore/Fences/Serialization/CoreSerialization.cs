using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Sealing;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// Makes cores forget the instructions they fetched before: what is needed between changing code and having it
/// executed, wherever a core may have fetched from there already.
/// </summary>
/// <remarks>
/// <para>A core-serialising instruction waits until the stores before it have reached memory, and what follows it is
/// fetched anew (Intel SDM vol. 3, 9.3; AMD APM vol. 2, 7.6.4; Arm ARM, B2.7). It flushes no cache: on arm64, clean and
/// invalidate first.</para>
/// <para>Who must execute it: every core that may run the changed code, the one that changed it included if it runs the
/// code at another address than it wrote it to. <see cref="Self"/> is for the caller alone, <see cref="AllThreads"/>
/// for all threads of the process.</para>
/// </remarks>
public static unsafe class CoreSerialization
{
    private static readonly Lock Installing = new();
    private static readonly Action SelfAction = Self;
    private static nint _instruction; // 0 until it is installed; a refusal is not remembered
    private static MachineFacts? _facts; // null until the kernel has answered all questions

    /// <summary>
    /// Serialises the core that the calling thread runs on. Some 50 ns, no system call; the first call installs the
    /// instruction.
    /// </summary>
    /// <remarks>
    /// It is enough for the caller wherever it runs afterwards only if the other cores were serialised as well: a
    /// thread that is moved finds what the other core had fetched (litmus/code/Self.ThenMoved.litmus).
    /// <see cref="AllThreads"/> is for that.
    /// </remarks>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64 or arm64.</exception>
    /// <exception cref="CodeException">The first call could not install the instruction.</exception>
    public static void Self()
    {
        // SAFETY: the address is that of a complete function of no arguments, installed below and never unmapped; it
        // changes only registers that a call may change.
        ((delegate* unmanaged<void>)Instruction())();
    }

    /// <summary>
    /// Before the call returns, the core of every thread of this process, the caller's included, has executed a
    /// core-serialising instruction; a thread that is not running executes one before it runs again. A full memory
    /// barrier for all of them as well.
    /// </summary>
    /// <remarks>
    /// <para>By membarrier(2)'s SYNC_CORE, which promises that for siblings, and <see cref="Self"/> behind it for the
    /// caller. It costs about one interrupt for each CPU that runs a sibling. The first call registers the process, 10
    /// to 25 ms.</para>
    /// <para>Where SYNC_CORE does not keep its promise (x86-64 before Linux 5.10) or is absent, strict mode sends a
    /// thread to every CPU in turn, which needs nothing of the kernel but sched_setaffinity(2) and the lists in /sys
    /// and /proc, takes some hundred microseconds a CPU, and waits behind real-time threads. The caller itself is not
    /// moved. Where that is not possible either, it refuses; a refusal is not remembered. In <see
    /// cref="CodeMode.Measured"/> mode SYNC_CORE is believed wherever it is offered.</para>
    /// <para><see cref="MachineGuarantees"/> tells which of it holds here
    /// (<see cref="MachinePromise.OwnCoreSerialization"/>,
    /// <see cref="MachinePromise.AllThreadsCoreSerialization"/>).</para>
    /// </remarks>
    /// <param name="mode">Whose word is relied on.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mode.</exception>
    /// <exception cref="MembarrierException">It cannot be promised here, or the kernel refused; nothing is promised
    /// then. No thread is left where it may not run, and the next call tries again.</exception>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64 or arm64.</exception>
    /// <exception cref="CodeException">The first call could not install the instruction.</exception>
    public static void AllThreads(CodeMode mode = CodeMode.Strict)
    {
        DemandPlatform(
            OperatingSystem.IsLinux() || OperatingSystem.IsAndroid(),
            RuntimeInformation.ProcessArchitecture
        );
        if (mode is not (CodeMode.Strict or CodeMode.Measured))
        {
            throw new ArgumentOutOfRangeException(nameof(mode), mode, "There is no such mode.");
        }

        MachineFacts facts = Facts();
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
    /// Does now what the first <see cref="AllThreads"/> would do besides: installs the instruction and registers the
    /// process. To be called where a refusal is still harmless.
    /// </summary>
    internal static void Prepare(CodeMode mode)
    {
        _ = Instruction();
        MachineFacts facts = Facts();
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
    /// The stores before it are in memory when the first core serialises: Self waits for them on the CPU they were
    /// made on, and the thread that visits the CPUs is started after that. Each of its visits is what a thread does
    /// in litmus/code/AllThreads.EveryCpu.litmus. The caller is blocked until all are made, so it runs on a core that
    /// was visited.
    /// </summary>
    internal static void VisitEveryCpu(string why)
    {
        Self();
        if (CpuTour.Make(SelfAction) is { } failure)
        {
            throw Refusal(Facts(), $"{why}; instead every CPU was to be visited, but {failure}");
        }
    }

    /// <summary>Executes <see cref="Self"/> for <see cref="MachineGuarantees"/>.</summary>
    internal static TrialFailure? TrySelf() => Try(Self);

    /// <summary>
    /// Tries for <see cref="MachineGuarantees"/> what <see cref="AllThreads"/> needs in strict mode. Where that is a
    /// visit to every CPU none is made, because it may wait for long; what a visit asks of the system is tried.
    /// </summary>
    internal static TrialFailure? TryAllThreads() =>
        Try(() =>
        {
            if (SerializationChoice.Decide(Facts(), CodeMode.Strict) is not { Way: SerializationWay.EveryCpu } choice)
            {
                AllThreads();
            }
            else if (CpuTour.FindObstacle() is { } obstacle)
            {
                throw Refusal(Facts(), $"{choice.Reason}; instead every CPU was to be visited, but {obstacle}");
            }
            else
            {
                Self();
            }
        });

    /// <summary>Refuses systems for which no instruction and no call is known.</summary>
    internal static void DemandPlatform(bool isLinux, Architecture architecture)
    {
        if (!isLinux || architecture is not (Architecture.X64 or Architecture.Arm64))
        {
            throw new PlatformNotSupportedException(
                $"CoreSerialization: this system is "
                    + $"{(isLinux ? "Linux" : RuntimeInformation.OSDescription)} on {architecture}, "
                    + "and only Linux on x86-64 and arm64 is known to this library. "
                    + "Test for that first; MachineGuarantees.Detect() tells it."
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
            return new(refusal.Message, MayPass: false);
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

    private static MachineFacts Facts()
    {
        if (Volatile.Read(ref _facts) is { } known)
        {
            return known;
        }

        MachineFacts facts = MachineGuarantees.ReadFacts();
        if (facts is { Access: MembarrierFailure.None, Release: not null })
        {
            Volatile.Write(ref _facts, facts);
        }

        return facts;
    }

    private static MembarrierException Refusal(MachineFacts facts, string reason)
    {
        bool offered = facts.Supported.HasFlag(MembarrierCommands.PrivateExpeditedSyncCore);
        MembarrierFailure failure =
            facts.Access != MembarrierFailure.None ? facts.Access
            : offered ? MembarrierFailure.NotKept
            : MembarrierFailure.NotOffered;
        string cure = offered
            ? "Use Linux 5.10 or newer, or accept CodeMode.Measured."
            : "Allow membarrier in the sandbox, or sched_setaffinity to every CPU together with /proc and /sys.";
        return new(
            "CoreSerialization.AllThreads: it cannot be promised here that every core has forgotten old instructions: "
                + $"{reason}. {cure}",
            failure,
            errno: 0
        );
    }

    /// <summary>
    /// The address of the instruction, which the first call installs; a call that fails leaves nothing behind, and
    /// the next one tries again.
    /// </summary>
    private static nint Instruction()
    {
        nint address = Volatile.Read(ref _instruction);
        if (address != 0)
        {
            return address;
        }

        DemandPlatform(
            OperatingSystem.IsLinux() || OperatingSystem.IsAndroid(),
            RuntimeInformation.ProcessArchitecture
        );
        using var steady = new Uninterrupted();
        steady.Enter(Installing);
        try
        {
            if (_instruction == 0)
            {
                Volatile.Write(ref _instruction, Install());
            }

            return _instruction;
        }
        finally
        {
            Installing.Exit();
        }
    }

    /// <summary>
    /// Not in the range that is reserved for code: reusing addresses of that range needs this first. Never unmapped:
    /// any thread may be in it at any time.
    /// </summary>
    private static nint Install() => SealedFile.MapForGood(null, SerializingInstruction.ForThisMachine());
}
