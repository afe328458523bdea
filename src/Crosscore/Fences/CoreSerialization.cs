using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore;

/// <summary>
/// Makes cores forget the instructions they fetched before: what is needed between changing code and having it executed, wherever a core may have fetched from there already.
/// </summary>
/// <remarks>
/// <para>A core-serialising instruction waits until the stores before it have reached memory, and what follows it is fetched anew (Intel SDM vol. 3, 9.3; AMD APM vol. 2, 7.6.4; Arm ARM, B2.7). It flushes
/// no cache: on arm64, clean and invalidate first.</para>
/// <para>Who must execute it: every core that may run the changed code, the one that changed it included if it runs the code at another address than it wrote it to.
/// <see cref="Self"/> is for the caller alone, <see cref="AllThreads"/> for all threads of the process.</para>
/// </remarks>
public static unsafe class CoreSerialization
{
    private static readonly Lazy<nint> Instruction = new(Install);
    private static readonly Lazy<MachineFacts> Facts = new(MachineGuarantees.ReadFacts);
    private static readonly Action SelfAction = Self;

    /// <summary>Serialises the core that the calling thread runs on. Some 50 ns, no system call; the first call installs the instruction.</summary>
    /// <remarks>
    /// It is enough for the caller wherever it runs afterwards only if the other cores were serialised as well: a thread that is moved finds what the other core had fetched
    /// (litmus/code/Self.ThenMoved.litmus). <see cref="AllThreads"/> is for that.
    /// </remarks>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64 or arm64.</exception>
    /// <exception cref="CodeException">The first call could not install the instruction.</exception>
    public static void Self()
    {
        // SAFETY: the address is that of a complete function of no arguments, installed below and never unmapped; it changes only registers that a call may change.
        ((delegate* unmanaged<void>)Instruction.Value)();
    }

    /// <summary>
    /// Before the call returns, the core of every thread of this process, the caller's included, has executed a core-serialising instruction; a thread that is not running executes one before it
    /// runs again. A full memory barrier for all of them as well.
    /// </summary>
    /// <remarks>
    /// <para>By membarrier(2)'s SYNC_CORE, which promises that for siblings, and <see cref="Self"/> behind it for the caller. It costs about one interrupt for each CPU that runs a sibling. The first
    /// call registers the process, 10 to 25 ms.</para>
    /// <para>Where SYNC_CORE does not keep its promise (x86-64 before Linux 5.10) or is absent, strict mode takes the caller to every CPU in turn, which needs nothing of the kernel but sched_setaffinity(2), takes some
    /// hundred microseconds a CPU, and waits behind real-time threads. Where that is not possible either, it refuses. In <see cref="CodeMode.Measured"/> mode SYNC_CORE is believed wherever it is offered.</para>
    /// <para><see cref="MachineGuarantees"/> tells which of it holds here (<see cref="MachinePromise.OwnCoreSerialization"/>, <see cref="MachinePromise.AllThreadsCoreSerialization"/>).</para>
    /// </remarks>
    /// <param name="mode">Whose word is relied on.</param>
    /// <exception cref="MembarrierException">It cannot be promised here, or the kernel refused; nothing is promised then.</exception>
    /// <exception cref="PlatformNotSupportedException">Not Linux on x86-64 or arm64.</exception>
    /// <exception cref="CodeException">The first call could not install the instruction.</exception>
    public static void AllThreads(CodeMode mode = CodeMode.Strict)
    {
        SerializationChoice choice = SerializationChoice.Decide(Facts.Value, mode);
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
                throw Refusal(choice.Reason);
        }
    }

    /// <summary>
    /// Does now what the first <see cref="AllThreads"/> would do besides: installs the instruction and registers the process. To be called where a refusal is still harmless.
    /// </summary>
    internal static void Prepare(CodeMode mode)
    {
        _ = Instruction.Value;
        SerializationChoice choice = SerializationChoice.Decide(Facts.Value, mode);
        if (choice.Way == SerializationWay.None)
        {
            throw Refusal(choice.Reason);
        }

        if (choice.Way == SerializationWay.SyncCoreAndSelf)
        {
            Membarrier.Register(MembarrierRegistrations.SyncCore);
        }
    }

    /// <summary>
    /// The stores before it are in memory when the first core serialises: sched_setaffinity(2) is a system call that takes locks, and Self waits for them on the CPU they were made on; they are visible everywhere
    /// when the next CPU is visited.
    /// </summary>
    internal static void VisitEveryCpu(string why)
    {
        Self();
        if (CpuTour.Make(SelfAction) is { } failure)
        {
            throw Refusal($"{why}; instead the caller was to visit every CPU, but {failure}");
        }
    }

    private static MembarrierException Refusal(string reason) => new(
        $"CoreSerialization.AllThreads: it cannot be promised here that every core has forgotten old instructions: {reason}. "
        + "Use Linux 5.10 or newer, allow membarrier (or sched_setaffinity to every CPU) in the sandbox, or accept CodeMode.Measured.",
        Facts.Value.Access == MembarrierFailure.None ? MembarrierFailure.NotKept : Facts.Value.Access,
        errno: 0);

    /// <summary>
    /// Not in the range that is reserved for code: whoever uses addresses of that range again needs this first.
    /// </summary>
    private static nint Install()
    {
        byte[] instruction = SerializingInstruction.ForThisMachine();
        using SealedCode code = SealedCode.Seal(instruction);
        nuint length = (nuint)CodeFile.WholePages(instruction.Length);
        nint address = SealedFile.Map(
            code.File,
            file => Mapping.Map(length, Mapping.PROT_READ | Mapping.PROT_EXEC, Mapping.MAP_SHARED, file));
        return Mapping.IsError(address)
            ? throw CodeRefusal.ExecutableMapping((int)-address)
            : address; // Never unmapped: any thread may be in it at any time.
    }
}
