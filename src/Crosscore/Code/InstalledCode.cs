using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>
/// Sealed code at an address, ready to be executed by any thread: readable and executable, never writable, and unable to become so (mprotect to a writable
/// mapping is refused, because the file under it is sealed). Made by <see cref="SealedCode.Install"/>.
/// </summary>
/// <remarks>
/// <para>Caller must: call the address with the calling convention and arguments that the code expects.</para>
/// <para>Caller must: know that no thread is executing the code, or will return into it or call it, when <see cref="Dispose"/> is called. Nothing here can check that; a thread
/// that does ends with SIGSEGV, or runs whatever is mapped there next.</para>
/// <para>There is no finalizer, on purpose: a collector cannot know who runs the code, so what is never disposed of stays installed.</para>
/// </remarks>
public sealed class InstalledCode : IDisposable
{
    private readonly int _mappedLength;
    private nint _address;

    internal InstalledCode(nint address, int length, int mappedLength)
    {
        _address = address;
        Length = length;
        _mappedLength = mappedLength;
    }

    /// <summary>Where the first byte lies; the start of a page. The rest of the last page traps when executed.</summary>
    /// <exception cref="ObjectDisposedException">The code was unmapped.</exception>
    public nint Address
    {
        get
        {
            nint address = Volatile.Read(ref _address);
            ObjectDisposedException.ThrowIf(address == 0, this);
            return address;
        }
    }

    /// <summary>The number of bytes that were given.</summary>
    public int Length { get; }

    /// <summary>Unmaps the code. The caller guarantees that nobody runs it; disposing twice does nothing.</summary>
    public void Dispose()
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address != 0)
        {
            // munmap fails only for arguments that are not a mapping's, and these are the ones mmap returned; a failure here would be our own mistake.
            int answer = Mapping.Unmap(address, (nuint)_mappedLength);
            System.Diagnostics.Debug.Assert(answer == 0, "munmap refused a mapping that was never given away");
        }
    }
}
