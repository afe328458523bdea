using System.Runtime.InteropServices;
using Crosscore.Litmus.Assemblers;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// The processors that this process may use, and the pinning of a thread to one of them. A container or <c>taskset</c>
/// may have left any subset, so processors are never counted from zero.
/// </summary>
internal static unsafe partial class Processors
{
    private const int MaskBytes = 1024; // 8192 processors, the largest CONFIG_NR_CPUS of x86-64

    /// <summary>Gets the processors allowed to the calling thread, ascending.</summary>
    /// <exception cref="MachineRunException">The kernel does not say.</exception>
    public static IReadOnlyList<int> Allowed()
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();

        // SAFETY: the mask is as long as we say, and on our stack.
        if (SchedGetAffinity(0, MaskBytes, mask) < 0)
        {
            throw new MachineRunException(
                $"sched_getaffinity failed with error {Marshal.GetLastPInvokeError()}: "
                    + "the allowed processors are unknown."
            );
        }

        var allowed = new List<int>();
        for (int processor = 0; processor < 8 * MaskBytes; processor++)
        {
            if ((mask[processor / 8] & (1 << (processor % 8))) != 0)
            {
                allowed.Add(processor);
            }
        }

        return allowed;
    }

    /// <summary>
    /// Gets one processor for each thread: distinct ones while there are enough, then from the beginning again.
    /// </summary>
    /// <param name="allowed">The processors.</param>
    /// <param name="threads">How many threads.</param>
    public static int[] Assign(IReadOnlyList<int> allowed, int threads) =>
        [.. Enumerable.Range(0, threads).Select(thread => allowed[thread % allowed.Count])];

    /// <summary>Binds the calling thread to one processor, and checks that it runs there.</summary>
    /// <param name="processor">The processor.</param>
    /// <exception cref="MachineRunException">The kernel refuses, or the thread is elsewhere.</exception>
    public static void PinCallingThread(int processor)
    {
        byte* mask = stackalloc byte[MaskBytes];
        new Span<byte>(mask, MaskBytes).Clear();
        mask[processor / 8] = (byte)(1 << (processor % 8));

        // SAFETY: as above.
        if (SchedSetAffinity(0, MaskBytes, mask) < 0)
        {
            throw new MachineRunException(
                $"sched_setaffinity to processor {processor} failed with error {Marshal.GetLastPInvokeError()}."
            );
        }

        // sched_setaffinity(2) returns only when the thread runs on an allowed processor.
        int current = SchedGetCpu();
        if (current != processor)
        {
            throw new MachineRunException($"A thread was bound to processor {processor}, but runs on {current}.");
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static partial int SchedGetAffinity(int thread, nuint length, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static partial int SchedSetAffinity(int thread, nuint length, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_getcpu")]
    private static partial int SchedGetCpu();
}
