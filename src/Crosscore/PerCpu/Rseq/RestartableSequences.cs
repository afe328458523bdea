using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// What there is of rseq(2) in this process. glibc registers an area for every thread, and the kernel keeps in it the
/// number of the CPU the thread runs on, and looks there for the section it is in. Managed threads of every kind have
/// one.
/// </summary>
/// <remarks>
/// Nothing here registers anything, and no field is ever written but the pointer to the section, which is the user's to
/// write. Nothing throws. What a moment without descriptors or memory refuses is asked for again by the next call: what
/// was made in that moment stays as it is and says so (UsesSections), what is made later is not affected. Where there
/// is no area, the types of this namespace work by a striped fallback with the same results; <see cref="State"/> and
/// <see cref="Explanation"/> say so. Source: rseq(2); include/uapi/linux/rseq.h; glibc manual, "Restartable Sequences".
/// </remarks>
public static unsafe class RestartableSequences
{
    private static int s_registered; // 1 when the barrier is; a refusal is not remembered
    private static nint s_cpuReader; // RseqArea.CpuReader, here to spare a load

    /// <summary>Whether sections can run, or what is missing.</summary>
    public static RestartableSequencesState State => RseqArea.Here.State;

    /// <summary>Whether sections can run.</summary>
    public static bool IsAvailable => State == RestartableSequencesState.Available;

    /// <summary>The state in words: what was found, or what is missing and why that may be.</summary>
    public static string Explanation => RseqArea.Here.Detail;

    /// <summary>
    /// Whether the kernel is known to keep the concurrency id: its feature size includes the field, and so does
    /// glibc's, or the kernel has confirmed that the area it was given is long enough.
    /// </summary>
    public static bool ConcurrencyIdTrusted => RseqArea.Here.ConcurrencyIdTrusted;

    /// <summary>
    /// How many slots per-CPU data has for CPUs: one more than the largest number of a CPU that may come online, or
    /// 8,192 where Linux does not show the list of them.
    /// </summary>
    public static int CpuSlots => PossibleCpus.Slots;

    /// <summary>
    /// Whether sections can run and be stopped from outside, which needs membarrier's RSEQ command. The first reading
    /// registers for it, which takes 10 to 25 milliseconds.
    /// </summary>
    public static bool CanRestart => IsAvailable && Barrier == MembarrierFailure.None;

    /// <summary>
    /// Why sections cannot be stopped from outside, or <see cref="MembarrierFailure.None"/>. The first reading
    /// registers.
    /// </summary>
    public static MembarrierFailure Barrier =>
        Volatile.Read(ref s_registered) != 0 ? MembarrierFailure.None : Register();

    /// <summary>
    /// The CPU the calling thread runs on, or ran on a moment ago: a hint. Costs a call that loads one word; without an
    /// area it is the runtime's answer.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int CurrentCpu()
    {
        nint reader = s_cpuReader;
        if (reader != 0)
        {
            // SAFETY: two instructions, installed for good: mov eax, fs:[cpu_id]; ret.
            int cpu = ((delegate* unmanaged[SuppressGCTransition]<int>)reader)();
            if (cpu >= 0)
            {
                return cpu;
            }
        }

        return CurrentCpuSlowly();
    }

    /// <summary>
    /// The concurrency id of the calling thread: unique among the threads of this process that run at this moment. A
    /// hint as soon as it is read.
    /// </summary>
    /// <param name="id">0 or more; -1 where there is none.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryGetConcurrencyId(out int id)
    {
        // Only cpu_id tells that a thread is not registered; mm_cid is 0 there.
        id =
            RseqArea.Here is { ConcurrencyIdTrusted: true, Readers: { } readers } && readers.ReadCpuId() >= 0
                ? readers.ReadConcurrencyId()
                : -1;
        return id >= 0;
    }

    /// <summary>
    /// On threads that rseq(2) does not know, where there is no area, and the first time. The question is not asked
    /// again for a hint; whatever makes per-CPU data does.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int CurrentCpuSlowly()
    {
        if (s_cpuReader == 0)
        {
            s_cpuReader = RseqArea.Known.CpuReader;
        }

        return Thread.GetCurrentProcessorId();
    }

    private static MembarrierFailure Register()
    {
        using var waiting = new Uninterrupted();
        while (true)
        {
            try
            {
                if (Membarrier.TryRegister(MembarrierRegistrations.RestartSequences, out MembarrierFailure failure))
                {
                    Volatile.Write(ref s_registered, 1);
                }

                return failure;
            }
            catch (ThreadInterruptedException)
            {
                waiting.Remember();
            }
        }
    }
}
