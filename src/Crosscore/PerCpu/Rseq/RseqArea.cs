using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;

namespace Crosscore.PerCpu;

/// <summary>
/// What is known of the area that glibc registers with rseq(2) for each thread. The question is repeated until the
/// answer can no longer change: a time without descriptors or memory, or a thread that is not registered, gives no
/// answer for the process.
/// </summary>
/// <param name="State">Whether sections can run, or the first thing that is missing.</param>
/// <param name="Detail">The state in words, with what was seen.</param>
/// <param name="Offset">From a thread's pointer to its area, in bytes.</param>
/// <param name="Size">What glibc says of its size, in bytes.</param>
/// <param name="FeatureSize">Up to where the kernel fills it, in bytes; 0 where the kernel does not say.</param>
/// <param name="ConcurrencyIdTrusted">Whether the kernel keeps mm_cid in it.</param>
internal sealed record RseqArea(
    RestartableSequencesState State,
    string Detail,
    int Offset,
    uint Size,
    uint FeatureSize,
    bool ConcurrencyIdTrusted
)
{
    private static RseqArea? s_known;

    /// <summary>
    /// Gets the best answer so far. An available area stays available; what is missing only now is tried again.
    /// </summary>
    public static RseqArea Here
    {
        get
        {
            RseqArea? known = Volatile.Read(ref s_known);
            return known is { IsFinal: true } ? known : AskAgain();
        }
    }

    /// <summary>Gets the last answer, or asks for the first: costs nothing if the question was asked before.</summary>
    public static RseqArea Known => Volatile.Read(ref s_known) ?? AskAgain();

    /// <summary>Whether asking again cannot give another answer.</summary>
    public bool IsFinal { get; private init; }

    /// <summary>
    /// Gets the functions that read the fields of the calling thread's area, never unmapped; null without an area.
    /// </summary>
    public FieldReaders? Readers { get; private init; }

    /// <summary>mov eax, fs:[cpu_id]; ret - or 0 without an area.</summary>
    public nint CpuReader => Readers?.CpuId ?? 0;

    /// <summary>
    /// Decides, apart from asking the questions. The concurrency id lies at bytes 24 to 27. A kernel with feature size
    /// 28 fills it in every registered area, because none is shorter than 32; but that the area is one has to be known:
    /// either glibc says a size that includes it, or the kernel has confirmed the length by answering EBUSY to the same
    /// registration again.
    /// </summary>
    internal static RseqArea Decide(RseqFacts facts)
    {
        if (!facts.Linux)
        {
            return None(RestartableSequencesState.WrongPlatform, "Restartable sequences are a feature of Linux.");
        }

        if (facts.Architecture != Architecture.X64)
        {
            return None(
                RestartableSequencesState.WrongArchitecture,
                "Sections are machine code, and this library has them for x86-64 only; this process runs on "
                    + $"{facts.Architecture}."
            );
        }

        if (facts.Offset is not { } offset || facts.Size is not { } size)
        {
            return None(
                RestartableSequencesState.NoArea,
                "The C library does not export __rseq_offset and __rseq_size, as glibc does since 2.35; musl and "
                    + "older ones register nothing."
            );
        }

        if (size == 0)
        {
            return None(
                RestartableSequencesState.NotRegistered,
                "glibc has registered no area (__rseq_size is 0): GLIBC_TUNABLES contains glibc.pthread.rseq=0, a "
                    + "sandbox refuses rseq(2), or the kernel is older than 4.18."
            );
        }

        if (facts.CodeRefusal is { } refusal)
        {
            return None(
                RestartableSequencesState.NoExecutableMemory,
                $"Machine code cannot be installed. {refusal}"
            ) with
            {
                IsFinal = false,
            };
        }

        if (facts.CpuId < 0)
        {
            return None(
                RestartableSequencesState.NotRegistered,
                $"The kernel keeps no CPU number in the area of this thread (cpu_id is {facts.CpuId})."
            ) with
            {
                IsFinal = false,
            };
        }

        return Available(facts, offset, size);
    }

    private static RseqArea Available(RseqFacts facts, int offset, uint size)
    {
        bool mayBeTrusted = facts.FeatureSize >= RseqCall.ConcurrencyIdOffset + sizeof(int);
        bool glibcSaysSo = size >= RseqCall.ConcurrencyIdOffset + sizeof(int);
        bool trusted = mayBeTrusted && (glibcSaysSo || facts.Probe == -Errno.EBUSY);
        string detail =
            $"The area lies at offset {offset} from the thread pointer, glibc gives its size as {size}, the kernel "
            + $"fills {facts.FeatureSize} bytes.";
        return new RseqArea(RestartableSequencesState.Available, detail, offset, size, facts.FeatureSize, trusted)
        {
            // EINVAL is the kernel's answer for another length; every other refusal is none to the question.
            IsFinal = trusted || !mayBeTrusted || facts.Probe == -Errno.EINVAL,
            Readers = facts.Readers,
        };
    }

    private static RseqArea None(RestartableSequencesState state, string detail) =>
        new(state, detail, 0, 0, 0, false) { IsFinal = true };

    private static RseqArea AskAgain()
    {
        // Several threads may ask at the same time, and nothing waits. What was available stays so, whatever is refused
        // later.
        RseqArea? before = Volatile.Read(ref s_known);
        RseqArea asked = before is { Readers: { } readers } ? before.ProbeAgain(readers) : Decide(AskHere());
        RseqArea? known = Interlocked.CompareExchange(ref s_known, asked, before);
        if (ReferenceEquals(known, before))
        {
            return asked;
        }

        if (!ReferenceEquals(asked.Readers, known!.Readers))
        {
            asked.Readers?.Code.Dispose(); // no other thread has its addresses
        }

        return known;
    }

    /// <summary>The area is there; only whether the kernel keeps mm_cid in it was refused an answer.</summary>
    private RseqArea ProbeAgain(FieldReaders readers)
    {
        int cpu = readers.ReadCpuId();
        int probe = cpu < 0 ? 0 : Probe(readers.ReadThreadPointer() + Offset, ref cpu);
        bool isLength = cpu >= 0 && probe == -Errno.EBUSY;
        return isLength || (cpu >= 0 && probe == -Errno.EINVAL)
            ? this with
            {
                ConcurrencyIdTrusted = isLength,
                IsFinal = true,
            }
            : this;
    }

    private static RseqFacts AskHere()
    {
        var facts = new RseqFacts
        {
            Linux = OperatingSystem.IsLinux(),
            Architecture = RuntimeInformation.ProcessArchitecture,
        };
        if (!facts.Linux || facts.Architecture != Architecture.X64)
        {
            return facts;
        }

        facts = ReadExports(facts);
        if (facts.Offset is not { } offset || facts.Size is null or 0)
        {
            return facts;
        }

        try
        {
            return CodeQuestion.Ask(() => AskThisThread(facts, offset));
        }
        catch (CodeException refusal)
        {
            return facts with { CodeRefusal = refusal.Message };
        }
    }

    private static unsafe RseqFacts ReadExports(RseqFacts facts)
    {
        nint program = NativeLibrary.GetMainProgramHandle();
        return
            !NativeLibrary.TryGetExport(program, "__rseq_offset", out nint offset)
            || !NativeLibrary.TryGetExport(program, "__rseq_size", out nint size)
            ? facts
            // SAFETY: the two are objects of glibc that nothing writes after start-up: ptrdiff_t and unsigned int
            // (bits/rseq.h).
            : facts with
            {
                Offset = checked((int)*(nint*)offset),
                Size = *(uint*)size,
                FeatureSize = (uint)Libc.GetAuxiliaryValue(RseqCall.AT_RSEQ_FEATURE_SIZE),
            };
    }

    private static RseqFacts AskThisThread(RseqFacts facts, int offset)
    {
        var readers = FieldReaders.Install(offset);
        int probe = 0;
        int cpu;
        try
        {
            cpu = readers.ReadCpuId();
            if (cpu >= 0)
            {
                probe = Probe(readers.ReadThreadPointer() + offset, ref cpu);
            }
        }
        catch
        {
            readers.Code.Dispose();
            throw;
        }

        if (cpu < 0)
        {
            readers.Code.Dispose(); // no other thread has its addresses
            return facts with { CpuId = cpu };
        }

        return facts with
        {
            CpuId = cpu,
            Probe = probe,
            Readers = readers,
        };
    }

    private static int Probe(nint area, ref int cpu)
    {
        // This thread is registered, so the kernel only compares: EBUSY for the very same registration, EINVAL for
        // another address or length.
        int answer = RseqCall.Invoke(area, RseqCall.OriginalSize, 0, RseqCall.Signature);
        if (answer == 0)
        {
            // It was not registered after all, and now we have registered it. No other code would undo that.
            _ = RseqCall.Invoke(area, RseqCall.OriginalSize, RseqCall.RSEQ_FLAG_UNREGISTER, RseqCall.Signature);
            cpu = -1;
        }

        return answer;
    }
}

/// <summary>All that <see cref="RseqArea.Decide"/> needs of the world.</summary>
internal readonly record struct RseqFacts
{
    public bool Linux { get; init; }

    public Architecture Architecture { get; init; }

    /// <summary>__rseq_offset, or null where the C library has none.</summary>
    public int? Offset { get; init; }

    /// <summary>__rseq_size, or null where the C library has none.</summary>
    public uint? Size { get; init; }

    /// <summary>AT_RSEQ_FEATURE_SIZE, or 0 from kernels before 6.3, which do not give it.</summary>
    public uint FeatureSize { get; init; }

    /// <summary>Why machine code could not be installed, or null.</summary>
    public string? CodeRefusal { get; init; }

    /// <summary>cpu_id of the thread that asked; negative where it is not registered.</summary>
    public int CpuId { get; init; }

    /// <summary>What rseq(2) answered to the registration that is there already: the negative error number.</summary>
    public int Probe { get; init; }

    /// <summary>What was installed to find out; null where the thread is not registered.</summary>
    public FieldReaders? Readers { get; init; }
}
