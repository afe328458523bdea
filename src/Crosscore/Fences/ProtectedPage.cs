using System.Runtime.CompilerServices;
using Crosscore.Linux;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// A barrier for x86-64 Linux without membarrier(2): a page is made writable, written, and made inaccessible. The
/// kernel must not return while a processor that runs this process could still use the old right, and on x86-64 without
/// INVLPGB it has no other way to see to that than to interrupt each of them. What drains the store buffer is the
/// handler, which invalidates the translation (INVLPG, or a write of CR3: both serialise) and answers by a locked
/// instruction; not the return from it, which is IRET on most processors and ERETU with FRED, and ERETU drains nothing.
/// Processors that do not run the process pass a barrier when they switch to it. arch/x86/mm/tlb.c.
/// </summary>
internal static class ProtectedPage
{
    private static readonly Lock Turn = new();
    private static readonly nuint Length = (nuint)Environment.SystemPageSize;
    private static nint _page;

    /// <summary>Returns why it cannot be had, or null.</summary>
    public static string? Prepare()
    {
        lock (Turn)
        {
            if (_page != 0)
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

            // A page that was swapped out has no translation that anybody could remember, and nobody would be
            // interrupted.
            int locked = Mapping.Lock(page, Length);
            if (locked < 0)
            {
                Leftovers.Unmap(page, Length);
                return $"mlock answered {Errno.Name(-locked)}";
            }

            _page = page;
            return null;
        }
    }

    /// <exception cref="InvalidOperationException">The kernel refused; nothing is ordered.</exception>
    public static void Fence()
    {
        // Whoever is interrupted here runs the barrier for others too, so the wait for the turn is not broken off.
        using var steady = new Uninterrupted();
        steady.Enter(Turn);
        try
        {
            Protect(Mapping.PROT_READ | Mapping.PROT_WRITE);

            // The write makes the translation present and dirty: a right that no processor has used may be taken away
            // without telling any. SAFETY: the page was mapped by Prepare, is never unmapped, and is writable: the lock
            // is held and Protect has just returned.
            unsafe
            {
                _ = Interlocked.Increment(ref Unsafe.AsRef<int>((void*)_page));
            }

            Protect(Mapping.PROT_NONE);
            Interlocked.MemoryBarrier();
        }
        finally
        {
            Turn.Exit();
        }
    }

    private static void Protect(int protection)
    {
        int answer = Mapping.Protect(_page, Length, protection);
        if (answer < 0)
        {
            throw new InvalidOperationException(
                $"AsymmetricFence.Heavy: mprotect answered {Errno.Name(-answer)}, so "
                    + "nothing is ordered. The kernel was out of memory or of mappings, "
                    + $"or a sandbox has been closed. Try again, or choose {AsymmetricFenceMode.Symmetric}."
            );
        }
    }
}
