from onnx_server.main import main

main()
