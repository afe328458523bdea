using System.Runtime.CompilerServices;
using Crosscore.Linux;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// A barrier for x86-64 Linux without membarrier(2): a page is made writable, written, and made inaccessible. The
/// kernel must not return while a processor that runs this process could still use the old access right, and on x86-64
/// without INVLPGB it can only ensure that by interrupting each of them. The handler of the interrupt drains the store
/// buffer: it invalidates the translation (INVLPG, or a write of CR3: both serialize) and answers by a locked
/// instruction. The return from it does not: it is IRET on most processors and ERETU with FRED, and ERETU drains
/// nothing. Processors that do not run the process pass a barrier when they switch to it. arch/x86/mm/tlb.c.
/// </summary>
internal static class ProtectedPage
{
    private static readonly Lock Turn = new(); // held by the thread that changes the page
    private static readonly nuint Length = (nuint)Environment.SystemPageSize;
    private static nint s_page; // 0 until it is prepared; never unmapped

    /// <summary>Maps the page.</summary>
    /// <returns>Why it is unavailable, or null.</returns>
    public static string? Prepare()
    {
        lock (Turn)
        {
            if (s_page != 0)
            {
                return null;
            }

            nint page = Mapping.Map(
                Length,
                Mapping.PROT_READ | Mapping.PROT_WRITE,
                Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS,
                -1
            );
            if (page < 0)
            {
                return $"mmap answered {Errno.Name((int)-page)}";
            }

            // No processor caches the translation of a page that was swapped out, so no processor would be
            // interrupted.
            int locked = Mapping.Lock(page, Length);
            if (locked < 0)
            {
                Leftovers.Unmap(page, Length);
                return $"mlock answered {Errno.Name(-locked)}";
            }

            s_page = page;
            return null;
        }
    }

    /// <exception cref="InvalidOperationException">The kernel refused; nothing is ordered.</exception>
    public static void Fence()
    {
        // The caller runs the barrier for other threads too, so an interruption does not break off the wait for the
        // lock.
        using var held = new HeldLock(Turn);
        Protect(Mapping.PROT_READ | Mapping.PROT_WRITE);

        // The write makes the translation present and dirty: an access right that no processor has used may be revoked
        // without telling any. SAFETY: the page was mapped by Prepare, is never unmapped, and is writable: the lock is
        // held and Protect has just returned.
        unsafe
        {
            _ = Interlocked.Increment(ref Unsafe.AsRef<int>((void*)s_page));
        }

        Protect(Mapping.PROT_NONE);
        Interlocked.MemoryBarrier();
    }

    private static void Protect(int protection)
    {
        int answer = Mapping.Protect(s_page, Length, protection);
        if (answer < 0)
        {
            throw new InvalidOperationException(
                $"AsymmetricFence.Heavy: mprotect answered {Errno.Name(-answer)}, so nothing is ordered. The "
                    + "kernel was out of memory or of mappings, or a sandbox was closed. "
                    + $"Retry, or choose {AsymmetricFenceMode.Symmetric}."
            );
        }
    }
}
