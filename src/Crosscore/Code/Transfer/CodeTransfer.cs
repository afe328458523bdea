using System.Net.Sockets;
using System.Security.Cryptography;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>
/// Hands sealed code from one process to another, which then runs exactly these bytes: as a descriptor, or through a
/// Unix-domain socket.
/// </summary>
public static class CodeTransfer
{
    /// <summary>
    /// Returns a descriptor of the sealed file for another process. A process that holds it can read and map the code,
    /// and nothing else.
    /// </summary>
    /// <param name="code">The code.</param>
    /// <param name="inheritable">Whether a program that this process starts inherits it under the same number;
    /// otherwise execve closes it.</param>
    /// <exception cref="ObjectDisposedException"><paramref name="code"/> was disposed of.</exception>
    /// <exception cref="CodeException">Too many files are open, or the descriptor of the code was replaced.</exception>
    public static SafeFileHandle Export(this SealedCode code, bool inheritable = false)
    {
        ArgumentNullException.ThrowIfNull(code);
        return MemoryFile.Duplicate(code.CheckedFile().Handle, closeOnExec: !inheritable);
    }

    /// <summary>
    /// Takes over sealed code from a descriptor that another process handed over. Before that it checks that no process
    /// can change the file any more (all four seals), that it is such a file and for this machine, that every entry
    /// point lies in the code, and, if given, the digest and a verifier of this process.
    /// </summary>
    /// <param name="file">The descriptor; it stays the caller's, the result has another.</param>
    /// <param name="sha256">The digest that <see cref="Digest"/> gave the sender, received in a way that is trusted
    /// more than this one; empty for none.</param>
    /// <param name="verifier">Sees exactly the sealed bytes and may refuse them; <see langword="null"/> for
    /// none.</param>
    /// <exception cref="ArgumentException"><paramref name="sha256"/> is neither empty nor 32 bytes.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="file"/> is closed.</exception>
    /// <exception cref="CodeException">
    /// A check failed, there is no memory for the file, or the verifier refused.
    /// </exception>
    /// <remarks>
    /// /proc/PID/maps, perf and core dumps show the name that the sender gave to the memory file, which can be
    /// anything, and not <see cref="SealedCode.Name"/>, which was checked.
    /// </remarks>
    public static SealedCode Import(
        SafeFileHandle file,
        ReadOnlySpan<byte> sha256 = default,
        ICodeVerifier? verifier = null
    )
    {
        ArgumentNullException.ThrowIfNull(file);
        if (!sha256.IsEmpty && sha256.Length != SHA256.HashSizeInBytes)
        {
            throw new ArgumentException($"A SHA-256 digest has {SHA256.HashSizeInBytes} bytes.", nameof(sha256));
        }

        SealedCode.RequirePlatform();

        // Seals first of all: from here on neither the size nor a byte can change between a check and its use.
        var own = SealedFile.Adopt(file);
        try
        {
            // The header before anything that the sender's numbers can make long, and no byte of code before its
            // digest.
            CodeFile.Layout layout = CodeFile.ReadLayout(own);
            if (!sha256.IsEmpty && !CryptographicOperations.FixedTimeEquals(own.Digest(), sha256))
            {
                throw new CodeException(
                    CodeFailure.WrongDigest,
                    "The file's SHA-256 digest is not the expected one: it is other code than the sender named."
                );
            }

            (string? name, CodeFunction[] functions) = CodeFile.ReadTable(own, layout);
            if (verifier is not null)
            {
                SealedCode.ShowTo(verifier, own, layout.CodeLength, functions);
            }

            return new SealedCode(own, layout.CodeLength, functions, name);
        }
        catch (OutOfMemoryException lack)
        {
            own.Dispose();
            throw CodeRefusal.ManagedMemory($"The sealed file of {own.Size} bytes could not be read", lack);
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Sends the sealed file to the process at the other end, which takes it with <see cref="ReceiveFrom"/>, or with
    /// recvmsg(2) and SCM_RIGHTS: one byte and one descriptor.
    /// </summary>
    /// <param name="code">The code.</param>
    /// <param name="socket">
    /// A connected Unix-domain socket. Waits while its buffer is full, for as long as its
    /// <see cref="Socket.SendTimeout"/> allows.
    /// </param>
    /// <exception cref="ObjectDisposedException">The code or the socket was disposed of.</exception>
    /// <exception cref="IOException">The socket refused it, or the time was over.</exception>
    public static void SendTo(this SealedCode code, Socket socket)
    {
        ArgumentNullException.ThrowIfNull(code);
        ArgumentNullException.ThrowIfNull(socket);
        DescriptorSocket.Send(socket, code.CheckedFile().Handle);
    }

    /// <summary>
    /// Receives sealed code that another process sent with <see cref="SendTo"/>, and checks it as <see cref="Import"/>
    /// does.
    /// </summary>
    /// <param name="socket">
    /// A connected Unix-domain socket. Waits until something arrives, for as long as its
    /// <see cref="Socket.ReceiveTimeout"/> allows, which is without limit unless it was set. Skips credentials and
    /// labels that the socket was told to receive (SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD).
    /// </param>
    /// <param name="sha256">As for <see cref="Import"/>.</param>
    /// <param name="verifier">As for <see cref="Import"/>.</param>
    /// <exception cref="IOException">
    /// The sender is gone, nothing came in time (the inner exception is a <see cref="SocketException"/> with TimedOut),
    /// or the message carried no descriptor or several. A message has one byte: each byte of a stream without a
    /// descriptor gives this exception once.
    /// </exception>
    /// <remarks>
    /// Descriptors that are refused are closed on another thread, because closing one may wait for its sender. While
    /// 256 of them are open, nothing is received (<see cref="IOException"/>).
    /// </remarks>
    /// <exception cref="ObjectDisposedException">The socket was disposed of, before or during the call.</exception>
    /// <exception cref="CodeException">The file is not sealed code, or was refused.</exception>
    public static SealedCode ReceiveFrom(
        Socket socket,
        ReadOnlySpan<byte> sha256 = default,
        ICodeVerifier? verifier = null
    )
    {
        ArgumentNullException.ThrowIfNull(socket);
        using SafeFileHandle file = DescriptorSocket.Receive(socket);
        return Import(file, sha256, verifier);
    }

    /// <summary>Computes the SHA-256 digest of the whole file, the table of entry points included.</summary>
    /// <param name="code">The code.</param>
    /// <exception cref="ObjectDisposedException"><paramref name="code"/> was disposed of.</exception>
    /// <exception cref="CodeException">The descriptor of the code was replaced.</exception>
    public static byte[] Digest(this SealedCode code)
    {
        ArgumentNullException.ThrowIfNull(code);
        return code.CheckedFile().Digest();
    }
}
