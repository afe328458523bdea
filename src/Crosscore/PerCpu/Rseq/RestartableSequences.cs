using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Tells what this process has of rseq(2). glibc registers an area for every thread, in which the kernel keeps the
/// number of the CPU the thread runs on, and looks for the section it is in. Managed threads of every kind have one.
/// </summary>
/// <remarks>
/// Nothing here registers anything, and no field is ever written but the pointer to the section, which is the user's to
/// write. Nothing throws. What is refused at a time without descriptors or memory is tried again by the next call:
/// objects that were made at that time stay as they are and say so (UsesSections), objects that are made later are not
/// affected. Without an area, the types of this namespace fall back to striped slots with the same results;
/// <see cref="State"/> and <see cref="Explanation"/> say so. Source: rseq(2); include/uapi/linux/rseq.h; glibc manual,
/// "Restartable Sequences".
/// </remarks>
/// <example>
/// <code>
/// if (!RestartableSequences.IsAvailable)
/// {
///     // Per-CPU types give the same results without sections, more slowly.
///     Console.WriteLine($"{RestartableSequences.State}: {RestartableSequences.Explanation}");
/// }
/// </code>
/// </example>
public static unsafe class RestartableSequences
{
    private static int s_registered; // 1 when the barrier is; a refusal is not remembered
    private static nint s_cpuReader; // RseqArea.CpuReader, here to spare a load

    /// <summary>Gets whether sections can run, or what is missing.</summary>
    public static RestartableSequencesState State => RseqArea.Here.State;

    /// <summary>Gets whether sections can run.</summary>
    public static bool IsAvailable => State == RestartableSequencesState.Available;

    /// <summary>
    /// Gets the state in words: offset and size of the area, or what is missing and the likely cause.
    /// </summary>
    public static string Explanation => RseqArea.Here.Detail;

    /// <summary>
    /// Gets whether the kernel is known to keep the concurrency id: its feature size includes the field, and so does
    /// glibc's, or the kernel has confirmed that the area it was given is long enough.
    /// </summary>
    public static bool ConcurrencyIdTrusted => RseqArea.Here.ConcurrencyIdTrusted;

    /// <summary>
    /// Gets the number of slots that per-CPU data has for CPUs: one more than the largest number of a CPU that may come
    /// online, or 8,192 where Linux does not show the list of them.
    /// </summary>
    public static int CpuSlots => PossibleCpus.Slots;

    /// <summary>
    /// Gets whether sections can run and be stopped from outside, which needs membarrier's RSEQ command. The first
    /// reading registers for it, which takes 10 to 25 milliseconds.
    /// </summary>
    public static bool CanRestart => IsAvailable && Barrier == MembarrierFailure.None;

    /// <summary>
    /// Gets why sections cannot be stopped from outside, or <see cref="MembarrierFailure.None"/>. The first reading
    /// registers.
    /// </summary>
    public static MembarrierFailure Barrier =>
        Volatile.Read(ref s_registered) != 0 ? MembarrierFailure.None : Register();

    /// <summary>
    /// Returns the CPU the calling thread runs on, or ran on a moment ago: a hint. Costs a call that loads one word;
    /// without an area it is the runtime's answer.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int CurrentCpu()
    {
        nint reader = s_cpuReader;
        if (reader != 0)
        {
            // SAFETY: two instructions, never unmapped: mov eax, fs:[cpu_id]; ret.
            int cpu = ((delegate* unmanaged[SuppressGCTransition]<int>)reader)();
            if (cpu >= 0)
            {
                return cpu;
            }
        }

        return CurrentCpuSlowly();
    }

    /// <summary>
    /// Gets the concurrency id of the calling thread: unique among the threads of this process that run at the same
    /// time. A hint as soon as it is read.
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
    /// For threads that rseq(2) does not know, without an area, and the first time. A hint does not try again what was
    /// refused; making per-CPU data does.
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
